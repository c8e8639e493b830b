import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCacheEntries } from "./cache-options.ts";
import { run } from "./test-shell.ts";

test("cache mounts are listed, measured and removed", async () => {
  const listed = await run(["cache", "mounts", "ls"]);
  assert.match(listed.stdout, /^ID +USES +SIZE +LAST USED\s*\nnpm +3 +2\.5MB /);
  assert.match((await run(["cache", "mounts", "du"])).stdout, /Total: +2\.5MB/);
  assert.equal((await run(["cache", "mounts", "rm", "npm"])).stdout, "npm\n");
  assert.equal((await run(["cache", "mounts", "rm", "--all"])).stdout, "npm\n");
  const missing = await run(["cache", "mounts", "rm", "other"]);
  assert.match(missing.stderr, /no unused cache mount "other"/);
  assert.equal(missing.code, 1);
});

test("cache mounts go to and come from places", async () => {
  const out = await run(["cache", "mounts", "export", "--scope", "main", "type=local,dest=/c"]);
  assert.equal(out.stdout, 'export local {"dest":"/c"} main\n');
  const back = await run(["cache", "mounts", "import", "--scope", "a", "--scope", "b", "host/x:y"]);
  assert.equal(back.stdout, 'import registry {"ref":"host/x:y"} a,b\n');
  assert.match((await run(["cache", "mounts", "export"])).stderr, /give a place/);
  assert.match((await run(["cache", "things", "ls"])).stderr, /unknown command/);
});

test("entries are read as buildx reads them", () => {
  const read = (...values: string[]) =>
    parseCacheEntries(values, "/cwd").map(({ type, attributes }) => [type, Object.fromEntries(attributes)]);
  assert.deepEqual(read("a/b:c,d/e", ""), [
    ["registry", { ref: "a/b:c" }],
    ["registry", { ref: "d/e" }],
  ]);
  assert.deepEqual(read("type=local,DEST=out,mode=max"), [["local", { dest: "/cwd/out", mode: "max" }]]);
  assert.deepEqual(read("type=local,src=x", "type=local,src=x"), [["local", { src: "/cwd/x" }]]);
  assert.deepEqual(read('type=registry,"ref=a/b:c"'), [["registry", { ref: "a/b:c" }]]);
  assert.throws(() => read("ref=a"), { message: 'type required for "ref=a"' });
  assert.throws(() => read("type=local,x"), { message: "invalid value x" });
});
