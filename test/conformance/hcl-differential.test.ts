// The same files to our HCL parser and to the Go one, compiled to WebAssembly: both accept a file, or both refuse it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "@cdktf/hcl2json";
import * as fc from "fast-check";
import { parseNative } from "../../src/frontends/bake/hcl/native-body.ts";

const ROUNDS = Number(process.env["SLIPWAY_HCL_ROUNDS"] ?? 3000);

const name = fc.constantFrom("a", "b_1", "x-y", "target", "for", "if", "é", "null");
const blank = fc.constantFrom("", " ", "\n", "\t", " # c\n", " // c\n", "/* c */", "\r\n");

// What is applied to something is a call: the other side evaluates what is constant, and complains of types.
const { expression } = fc.letrec<{ expression: string; template: string }>((tie) => ({
  template: fc
    .array(
      fc.oneof(
        fc.constantFrom("text", " ", "$${", "%%{", "$", "%", '\\"', "\\n", "\\u00e9", "é", "$$", "\\\\"),
        tie("expression").map((inner) => `\${${inner}}`),
        tie("expression").map((inner) => `%{ if f(${inner}) }x%{ else }y%{~ endif ~}`),
        tie("expression").map((inner) => `%{ for k, v in f(${inner}) }\${v}%{ endfor }`),
      ),
      { maxLength: 4 },
    )
    .map((parts) => `"${parts.join("")}"`),
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("1", "0.5", "1e3", "true", "null", "a", "x-y", "1.", ".5", "0x1"),
    tie("template"),
    fc
      .tuple(
        tie("expression"),
        fc.constantFrom("+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||"),
        tie("expression"),
      )
      .map(([a, op, b]) => `f(${a}) ${op} ${b}`),
    fc.tuple(fc.constantFrom("!", "-"), tie("expression")).map(([op, a]) => `${op}f(${a})`),
    fc.tuple(tie("expression"), tie("expression"), tie("expression")).map(([a, b, c]) => `f(${a}) ? ${b} : ${c}`),
    fc.array(tie("expression"), { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
    fc
      .array(fc.tuple(name, tie("expression")), { maxLength: 3 })
      .map((items) => `{${items.map(([k, v]) => `${k} = ${v}`).join(", ")}}`),
    fc.tuple(name, fc.array(tie("expression"), { maxLength: 3 })).map(([f, items]) => `${f}(${items.join(", ")})`),
    tie("expression").map((inner) => `(${inner})`),
    tie("expression").map((inner) => `a.b[${inner}].c`),
    fc.constantFrom("a.*.b", "a[*].b", "a.0.b", "a[*]", 'a["k"]', "a.b.c", "a...", "a.0.1"),
    tie("expression").map((inner) => `[for v in f(${inner}) : v if v]`),
    tie("expression").map((inner) => `{for k, v in f(${inner}) : k => v...}`),
  ),
}));

const attribute = fc
  .tuple(name, blank, expression)
  .map(([key, gap, value]) => `${key}${gap.includes("\n") ? " " : gap}= ${value}\n`);
const heredoc = fc
  .tuple(
    fc.constantFrom("<<", "<<-"),
    fc.constantFrom("EOT", "X"),
    fc.constantFrom("text\n", "  a ${b}\n", "", "%{ if a }b%{ endif }\n", "${\n"),
  )
  .map(([mark, end, text]) => `h = ${mark}${end}\n${text}${end}\n`);
const block = fc
  .tuple(
    name,
    fc.array(
      fc.oneof(
        name,
        name.map((each) => `"${each}"`),
      ),
      { maxLength: 2 },
    ),
    fc.array(fc.oneof(attribute, heredoc), { maxLength: 3 }),
  )
  .map(([type, labels, body]) => `${[type, ...labels].join(" ")} {\n${unique(body).join("")}}\n`);
const file = fc
  .array(fc.oneof(block, attribute, heredoc, blank), { maxLength: 5 })
  .map((parts) => unique(parts).join(""));

/** The same file with a few characters gone, doubled or replaced. */
const damaged = fc
  .tuple(
    file,
    fc.array(
      fc.tuple(fc.nat(), fc.constantFrom("", '"', "{", "}", "\n", "$", "(", "]", "=", "\\", "<<", "~", "'", ";")),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([text, changes]) =>
    changes.reduce((at, [place, insert]) => {
      const index = at.length === 0 ? 0 : place % at.length;
      return at.slice(0, index) + insert + at.slice(index + (insert === "" ? 1 : 0));
    }, text),
  );

/** No two attributes or blocks of one name: that is no question of syntax, and the other side makes JSON of what it parses. */
function unique(parts: readonly string[]): string[] {
  return parts.map((part, at) => part.replace(/^[\p{L}_-][\p{L}\w-]*/u, `$&_${at}`));
}

async function theirs(text: string): Promise<boolean> {
  return parse("f.hcl", text).then(
    () => true,
    () => false,
  );
}

function ours(text: string): boolean {
  return parseNative(Buffer.from(text), "f.hcl").diagnostics.length === 0;
}

for (const [what, files] of [
  ["well-formed", file],
  ["damaged", damaged],
] as const) {
  void test(`${what} HCL is accepted where Go's parser accepts it`, async () => {
    const counts = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(files, async (text) => {
        const accepted = ours(text);
        counts[accepted ? "accepted" : "refused"]++;
        assert.equal(accepted, await theirs(text), JSON.stringify(text));
      }),
      { numRuns: ROUNDS / 2, seed: 7 },
    );
    assert.ok(counts.accepted > 0 && counts.refused > 0, JSON.stringify(counts));
  });
}
