import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "slipway-code-"));
after(() => rmSync(folder, { recursive: true }));

const KEEP = JSON.stringify(new URL("./compiled-code.ts", import.meta.url).href);

/** A program whose file has a function that only some of its runs call. */
function program(name: string) {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), '{ "type": "commonjs" }');
  writeFileSync(
    join(home, "lib.js"),
    `exports.now=()=>1;exports.later=(a)=>{const sum=[];for(const each of [1,2,3])sum.push(each*a);return sum.map((n)=>n+1).join("-")}\n`,
  );
  writeFileSync(
    join(home, "main.mjs"),
    `import { createRequire } from "node:module";
    const { keepCompiledCode } = await import(${KEEP});
    keepCompiledCode(import.meta.dirname, import.meta.dirname + "/kept");
    const lib = createRequire(import.meta.url)("./lib.js");
    const [verb, what, code] = process.argv.slice(2);
    console.log(what === "later" ? lib.later(2) : lib.now());
    process.exit(Number(code ?? 0));`,
  );
  const kept = () => {
    const [engine] = readdirSync(join(home, "kept"));
    return join(home, "kept", engine!);
  };
  const run = (...args: string[]) => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(home, "main.mjs"), ...args], { encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.trim();
  };
  return { home, kept, run };
}

test("code is kept with the functions that were called, after the first runs of a verb", () => {
  const { kept, run } = program("grows");
  const size = () => statSync(join(kept(), "lib.js")).size;
  assert.equal(run("build", "now"), "1");
  const first = size();
  assert.equal(run("build", "later"), "3-5-7");
  const second = size();
  assert.ok(second > first, `${second} bytes with a function more, ${first} without`);
  const before = statSync(join(kept(), "lib.js")).ino;
  assert.equal(run("build", "now"), "1");
  assert.equal(statSync(join(kept(), "lib.js")).ino, before, "the third run keeps nothing");
  assert.equal(run("bake", "now"), "1");
  assert.deepEqual(readdirSync(kept()).sort(), ["lib.js", "runs-bake", "runs-build"]);
  assert.equal(readFileSync(join(kept(), "runs-build"), "utf8"), "...");
});

test("a run that fails keeps nothing", () => {
  const { home, run } = program("fails");
  assert.equal(run("build", "now", "1"), "1");
  assert.equal(existsSync(join(home, "kept")), false);
});

test("what is no code is replaced", () => {
  const { kept, run } = program("damaged");
  run("build", "now");
  for (const bytes of ["", "no code", Buffer.alloc(5000, 7)]) {
    writeFileSync(join(kept(), "lib.js"), bytes);
    assert.equal(run("build", "later"), "3-5-7");
    assert.ok(statSync(join(kept(), "lib.js")).size > 100);
    assert.notDeepEqual(readFileSync(join(kept(), "lib.js")), Buffer.from(bytes));
  }
});

test("a folder that can't be written to costs nothing but time", () => {
  const { home, run } = program("refused");
  writeFileSync(join(home, "kept"), "a file");
  assert.equal(run("build", "later"), "3-5-7");
  assert.equal(readFileSync(join(home, "kept"), "utf8"), "a file");
});

test("nobody else can write what is run, whatever the umask", () => {
  const { home, kept } = program("umask");
  const line = `umask 0; exec "$0" "$@"`;
  const ended = spawnSync("sh", ["-c", line, process.execPath, join(home, "main.mjs"), "build", "now"]);
  assert.equal(ended.status, 0);
  const paths = [join(home, "kept"), kept(), ...readdirSync(kept()).map((name) => join(kept(), name))];
  assert.equal(paths.length, 4);
  for (const path of paths) assert.equal(statSync(path).mode & 0o022, 0, path);
});
