// Replays one recorded run of `bake --print` or `--list` in process: the same files, environment and arguments, what was printed and
// where an error points. Values are compared, not bytes; errors with a position by position and summary, others by exit code.

import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "../../../src/cli/test-shell.ts";
import { formatPlatform, hostPlatform } from "../../../src/formats/oci/index.ts";
import type { Json } from "./case.ts";

type SetupStep = { readonly op: string; readonly path: string; readonly size?: number };

interface BakeCommand {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly setup?: readonly SetupStep[];
}

interface BakeOutcome {
  readonly exitCode: number;
  readonly print?: Json;
  readonly stdout?: string;
  readonly list?: string;
  readonly listJSON?: Json;
  readonly error?: string;
  /** Pointers of lists whose order is of no meaning. */
  readonly unordered?: readonly string[];
  readonly alternatives?: readonly BakeOutcome[];
  readonly panic?: unknown;
}

export interface BakeCase {
  readonly area: string;
  readonly name: string;
  readonly command: BakeCommand;
  readonly expected: BakeOutcome;
  /** Contents in base64, by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** Reads the cases below a folder laid out as the vectors are. */
export function openBakeFolder(root: string): BakeCase[] {
  const folders = (path: string) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  return folders(root).flatMap((area) => folders(join(root, area)).map((name) => readCase(root, area, name)));
}

function readCase(root: string, area: string, name: string): BakeCase {
  const folder = join(root, area, name);
  const json = <T>(file: string) => JSON.parse(readFileSync(join(folder, file), "utf8")) as T;
  const files: Record<string, string> = {};
  if (readdirSync(folder).includes("in")) {
    for (const entry of readdirSync(join(folder, "in"), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files[path.slice(join(folder, "in").length + 1)] = readFileSync(path).toString("base64");
    }
  }
  return { area, name, command: json("cmd.json"), expected: json("expected.json"), files };
}

/** Cases in which we differ on purpose, and why; docs/conformance.md lists them. */
export const bakeExceptions: ReadonlyMap<string, string> = new Map([
  ["compose-build/no-services-with-build", "a group without targets prints [], not null"],
  ["compose-interp/dotenv-bad-key-error", "a bad .env is told alone, not with what HCL would say of the compose file"],
]);

/** The first difference, or an empty text; an exception that is none any more is a difference. */
export async function runBakeCase(one: BakeCase): Promise<string> {
  const difference = await replay(one);
  if (!bakeExceptions.has(`${one.area}/${one.name}`)) return difference;
  return difference === "" ? "equal to buildx, though listed as an exception" : "";
}

async function replay(one: BakeCase): Promise<string> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "slipway-bake-case-")));
  try {
    await using stack = new AsyncDisposableStack();
    const root = join(home, `${one.area}__${one.name}`);
    mkdirSync(root);
    for (const [path, base64] of Object.entries(one.files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), Buffer.from(base64, "base64"));
    }
    for (const step of one.command.setup ?? []) await setUp(step, root, stack);
    return await compare(one, root, home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function setUp({ op, path, size = 0 }: SetupStep, root: string, stack: AsyncDisposableStack): Promise<void> {
  const where = join(root, path);
  if (op === "mkdir") mkdirSync(where, { recursive: true });
  else if (op === "bigFile") writeFileSync(where, "x".repeat(size));
  else if (op === "rsaKey") writeFileSync(where, rsaKey(), { mode: 0o600 });
  else if (op === "unixSocket") {
    const server = createServer();
    await new Promise<void>((done, fail) => server.once("error", fail).listen(where, done));
    stack.defer(() => new Promise<void>((done) => server.close(() => done())));
  } else throw new Error(`unknown setup ${op}`);
}

let madeKey: string | undefined;

function rsaKey(): string {
  return (madeKey ??= generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey);
}

async function compare({ command, expected }: BakeCase, root: string, home: string): Promise<string> {
  const there = (text: string) => text.replaceAll("{{CWD}}", root);
  const args = command.args.map(there);
  const isList = args.some((arg) => arg.startsWith("--list"));
  const env = Object.fromEntries(Object.entries(command.env ?? {}).map(([key, value]) => [key, there(value)]));
  const got = await run(["bake", "--progress=quiet", ...(isList ? [] : ["--print"]), ...args], {
    cwd: join(root, command.cwd ?? "."),
    env: { PATH: process.env["PATH"] ?? "", HOME: "/home/bakeuser", DOCKER_CONFIG: join(home, "docker"), ...env },
    stdin: command.stdin ?? "",
  });
  const here = (text: string) => text.replaceAll(root, "{{CWD}}");
  const outcomes = [expected, ...(expected.alternatives ?? [])];
  const wanted = outcomes.filter(({ exitCode }) => (exitCode === 0) === (got.code === 0));
  if (wanted.length === 0) return `exit code ${got.code}, expected ${expected.exitCode}: ${here(got.stderr).trim()}`;
  if (got.code !== 0) {
    if (expected.panic !== undefined) return "";
    const text = /^ERROR: ([\s\S]*)$/m.exec(here(got.stderr))?.[1] ?? here(got.stderr);
    const places = wanted.map(({ error = "" }) => errorKey(error));
    return places.includes(errorKey(text)) ? "" : `error ${text.trim()}, expected ${expected.error}`;
  }
  const output = here(got.stdout);
  const matches = wanted.some((each) =>
    isList
      ? output === (each.list ?? each.stdout) || (each.listJSON !== undefined && sameJson(output, each.listJSON, []))
      : sameJson(output, localized(each.print!), expected.unordered ?? []),
  );
  return matches ? "" : `printed ${output}, expected ${expected.list ?? JSON.stringify(expected.print)}`;
}

/** `file:line,col-col: Summary` of an error with a position; of others nothing: that there is one is enough. */
function errorKey(text: string): string {
  return /^(.+?:\d+,\d+-(?:\d+,)?\d+: [^;]+);/s.exec(text)?.[1] ?? "";
}

function localized(print: Json): Json {
  const text = JSON.stringify(print).replaceAll("{{LOCAL_PLATFORM}}", formatPlatform(hostPlatform()));
  return JSON.parse(text) as Json;
}

function sameJson(text: string, expected: Json, unordered: readonly string[]): boolean {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return false;
  }
  return JSON.stringify(canonical(value, unordered)) === JSON.stringify(canonical(expected, unordered));
}

/** Members by name; lists at `unordered` sorted. */
function canonical(value: Json, unordered: readonly string[], at = ""): Json {
  if (Array.isArray(value)) {
    const items = value.map((item, i) => canonical(item, unordered, `${at}/${i}`));
    return unordered.includes(at) ? items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
  }
  if (typeof value !== "object" || value === null) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(
    names.map((name) => {
      const pointer = `${at}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return [name, canonical(value[name]!, unordered, pointer)];
    }),
  );
}
