// Loading of compose files: what each kind of text becomes, what is refused, and in which words.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { parseBytes } from "./bytes.ts";
import { readDocuments } from "./document.ts";
import { parseEnv } from "./dotenv.ts";
import { loadCompose, readProject } from "./index.ts";
import type { ComposeProject } from "./index.ts";
import { resolveScalar } from "./scalar.ts";
import { substitute } from "./template.ts";

const bytes = (text: string) => Buffer.from(text);

function load(
  files: Record<string, string>,
  names = ["compose.yaml"],
  env: Record<string, string> = {},
): ComposeProject {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-compose-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), text);
    }
    const environment = new Map(Object.entries(env));
    const document = loadCompose(
      names.map((name) => ({ name })),
      { cwd },
      environment,
      "bake",
    );
    return readProject(document, { cwd }, environment);
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

function build(files: Record<string, string>, names?: string[], env?: Record<string, string>) {
  const found = load(files, names, env).services.find(({ name }) => name === "web")?.build;
  assert.ok(found);
  return found;
}

test("plain scalars mean what compose's YAML makes of them", () => {
  const cases: [string, unknown][] = [
    ["yes", "yes"],
    ["on", "on"],
    ["true", true],
    ["~", null],
    ["", null],
    ["010", 8n],
    ["0o17", 15n],
    ["0x1F", 31n],
    ["0b101", 5n],
    ["1_000", 1000n],
    ["-5", -5n],
    ["1.50", 1.5],
    ["1e3", 1000],
    [".5", 0.5],
    ["1.2.3", "1.2.3"],
    ["089", 89],
    ["2024-01-02", "2024-01-02 00:00:00 +0000 UTC"],
    ["2024-13-02", "2024-13-02"],
    ["12:30", "12:30"],
  ];
  for (const [text, expected] of cases) assert.equal(resolveScalar(text), expected, text);
});

test("templates", () => {
  const variables: Record<string, string> = { A: "a", E: "", B: "b" };
  const lookup = (name: string) => variables[name];
  const cases: [string, string][] = [
    ["$A-${B}", "a-b"],
    ["$$A $${B}", "$A ${B}"],
    ["${X:-d}${E:-d}${E-d}${X-d}", "ddd"],
    ["${A:+y}${E:+y}${E+y}${X+y}", "yy"],
    ["${X:-${Y:-${A}}}/z", "a/z"],
    ["${X:-}}", "}"],
    ["cost: $5", "cost: $5"],
  ];
  for (const [text, expected] of cases) assert.equal(substitute(text, { lookup }), expected, text);
  assert.throws(() => substitute("${X:?no $A}", { lookup }), {
    message: "required variable X is missing a value: no a",
  });
  assert.throws(() => substitute("${X?}", { lookup }), { message: "required variable X is missing a value" });
  assert.throws(() => substitute("${A", { lookup }), { message: 'Invalid template: "${A"' });
  const deep = "${X:-".repeat(5000) + "}".repeat(5000);
  assert.throws(() => substitute(deep, { lookup }), { code: "COMPOSE_INVALID" });
});

test("environment files", () => {
  const found = new Map<string, string>();
  const text = "# c\nexport A=1 # c\nB='$A'\nC=\"x\\n$A\"\nD: ${A}2\nH\nF=\n";
  parseEnv(text, found, (name) => (name === "H" ? "host" : undefined));
  const expected = { A: "1", B: "$A", C: "x\n1", D: "12", H: "host", F: "" };
  assert.deepEqual(Object.fromEntries(found), expected);
  for (const [bad, message] of [
    ["A B=1", "line 1: key cannot contain a space"],
    ["\nA='x", "line 2: unterminated quoted value 'x"],
    ["A!=1", 'line 1: unexpected character "!" in variable name "A!=1"'],
  ] as const) {
    assert.throws(() => parseEnv(bad, new Map()), { message });
  }
});

test("merge keys, anchors, several documents, !reset and !override", () => {
  const text = `
x-base: &base {context: a, args: {A: "1"}}
services:
  web: {build: {<<: *base, target: t, tags: [one]}}
---
services:
  web: {build: {args: !reset null, tags: !override [two]}}
`;
  const { context, target, args, tags } = build({ "compose.yaml": text });
  assert.deepEqual([context, target, args.size, tags], ["a", "t", 0, ["two"]]);
});

test("several files, include and extends", () => {
  const files = {
    "a.yaml": "services: {web: {build: {context: ., args: [A=1, B=1], tags: [x, y]}}}",
    "b.yaml": "services: {web: {build: {args: {B: '2'}, tags: [y, z]}}}",
  };
  const merged = build(files, ["a.yaml", "b.yaml"]);
  assert.deepEqual(Object.fromEntries(merged.args), { A: "1", B: "2" });
  assert.deepEqual(merged.tags, ["x", "y", "z"]);

  const included = build({
    "compose.yaml": "include: [sub/inc.yaml]\nservices: {other: {image: i}}",
    "sub/inc.yaml": "services: {web: {extends: {file: deep/base.yaml, service: base}, build: {target: $T}}}",
    "sub/deep/base.yaml": "services: {base: {build: ./ctx}}",
    "sub/.env": "T=fromenv",
  });
  assert.deepEqual([included.context, included.target], ["sub/deep/ctx", "fromenv"]);
});

test("what is wrong is told in compose-go's words", () => {
  const web = (text: string) => `services: {web: {build: {context: ., ${text}}}}`;
  const cases: [string, string][] = [
    [web("args: 5"), "services.web.build.args must be a mapping"],
    [web("nope: 1"), "services.web.build additional properties 'nope' not allowed"],
    [web("args: [A, A]"), ""],
    [web("tags: {a: b}"), "services.web.build.tags must be a array"],
    [web("extra_hosts: [x]"), hostProblem],
    [web("dockerfile: D, dockerfile_inline: FROM x"), exclusive],
    [web("args: {A: '${V'}"), "invalid interpolation format for services.web.build.args.A.\n" + escapeHint + "${V"],
    [
      "services: {web: {}}",
      'service "web" has neither an image nor a build context specified: invalid compose project',
    ],
    ["services: {a: {extends: b}, b: {extends: a}}", circular],
    ["include: [compose.yaml]", "include cycle detected:\ncompose.yaml\n include compose.yaml"],
    ["include: [/dev/zero]", "read /dev/zero: not a regular file"],
    ["services: {a: {extends: {file: no.yaml, service: b}}}", "open no.yaml: no such file or directory"],
    ["# nothing", "empty compose file"],
    ["[a]", "top-level object must be a mapping"],
    ["a: 1\na: 2", duplicate],
  ];
  for (const [text, message] of cases) {
    if (message === "") assert.doesNotThrow(() => load({ "compose.yaml": text }), text);
    else assert.throws(() => load({ "compose.yaml": text }), { code: "COMPOSE_INVALID", message }, text);
  }
});

const escapeHint = "You may need to escape any $ with another $.\n";
const hostProblem =
  "decoding failed due to the following error(s):\n\n'services[web].build.extra_hosts' invalid additional host, missing IP: x";
const exclusive = 'service "web" declares mutualy exclusive dockerfile and dockerfile_inline: invalid compose project';
const circular = [
  "Circular reference:",
  "  a in compose.yaml",
  "  extends b in compose.yaml",
  "  extends a in compose.yaml",
].join("\n");
const duplicate =
  'failed to parse compose.yaml: yaml: construct errors:\n  line 1: line 2: mapping key "a" already defined at line 1';

test("hostile YAML is refused, not expanded", () => {
  const levels = Array.from({ length: 12 }, (_, at) => {
    const inner = at === 0 ? "x" : `*a${at - 1}`;
    return `a${at}: &a${at} [${Array.from({ length: 10 }, () => inner).join(", ")}]`;
  });
  const cases: [string, RegExp][] = [
    [levels.join("\n"), /excessive aliasing/],
    ["a: &a [*a]", /contains itself|unknown anchor/],
    ["a: &a {b: *a}", /contains itself|unknown anchor/],
    ["[".repeat(20_000), /yaml: /],
    ["[".repeat(3000) + "]".repeat(3000), /exceeded max depth/],
    ["x".repeat(2 << 20), /larger than 1 MiB/],
    [`a: [${"x,".repeat(120_000)}]`, /maximum node visit limit/],
    ["a: *nope", /line 1, column 5: unknown anchor 'nope' referenced/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => readDocuments(bytes(text), "f"), { code: "COMPOSE_INVALID", message }, text.slice(0, 40));
  }
});

test("sizes", () => {
  for (const [text, expected] of [
    ["64m", 67_108_864],
    ["1.5gb", 1_610_612_736],
    ["2KiB", 2048],
    ["77", 77],
  ] as const) {
    assert.equal(parseBytes(text), expected, text);
  }
  assert.throws(() => parseBytes("x"), { message: "invalid size: 'x'" });
});
