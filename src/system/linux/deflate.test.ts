// libdeflate on this machine: what it makes is gzip, the same every time, any number at once, and its memory is given back.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { gzipPieces } from "./deflate.ts";

const room = 64 * 1024;

void test("members of any level, at once, are what zlib and gzip read, and the same every time", async () => {
  using pieces = gzipPieces();
  assert.ok(pieces !== undefined, "apt-get install libdeflate0");
  const words = Array.from({ length: 150_000 }, (_, at) => `${(at * 7919) % 10_007} `).join("");
  const inputs = [Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(1 << 20), Buffer.from(words), randomBytes(1 << 20)];
  const make = async (data: Buffer, level: number): Promise<Buffer> => {
    const target = Buffer.allocUnsafeSlow(data.length + room);
    return target.subarray(0, await pieces.member(data, level, target));
  };
  const wanted = inputs.flatMap((data) => [0, 1, 4, 6, 9].map((level) => ({ data, level })));
  const [made, again] = await Promise.all(
    [wanted, wanted].map((list) => Promise.all(list.map(({ data, level }) => make(data, level)))),
  );
  assert.deepEqual(made, again);
  for (const [at, { data, level }] of wanted.entries())
    assert.ok(gunzipSync(made![at]!).equals(data), `${data.length} bytes at level ${level}`);
  const { stdout } = spawnSync("gzip", ["-dc"], { input: Buffer.concat(made!), maxBuffer: 1e9 });
  assert.ok(stdout.equals(Buffer.concat(wanted.map(({ data }) => data))), "one file of all");
  assert.ok((await make(inputs[3]!, 4)).length <= gzipSync(inputs[3]!, { level: 5 }).length);
});

void test("too little room is an error, and what is disposed meanwhile ends in peace", async () => {
  const pieces = gzipPieces();
  assert.ok(pieces !== undefined);
  const noise = randomBytes(1 << 20);
  await assert.rejects(pieces.member(noise, 4, Buffer.allocUnsafeSlow(1000)), /no room for 1048576 bytes/);
  const target = Buffer.allocUnsafeSlow(noise.length + room);
  const working = pieces.member(noise, 4, target);
  pieces[Symbol.dispose]();
  assert.ok(gunzipSync(target.subarray(0, await working)).equals(noise));
});

void test("memory is given back", async () => {
  const data = Buffer.from("some bytes and more".repeat(2000));
  const targets = [4, 4, 6, 9].map(() => Buffer.allocUnsafeSlow(data.length + room));
  const round = async (): Promise<void> => {
    using pieces = gzipPieces();
    await Promise.all([4, 4, 6, 9].map((level, at) => pieces!.member(data, level, targets[at]!)));
  };
  for (let at = 0; at < 20; at++) await round();
  const before = process.memoryUsage.rss();
  for (let at = 0; at < 400; at++) await round();
  // Kept, they were more than twice that.
  assert.ok(process.memoryUsage.rss() - before < 200e6, `${process.memoryUsage.rss() - before} bytes`);
});

void test("without the library, or told not to, there is none", () => {
  const program = `import { gzipPieces } from ${JSON.stringify(import.meta.resolve("./deflate.ts"))}; console.log(gzipPieces() === undefined)`;
  for (const SLIPWAY_LIBDEFLATE of ["", "/nowhere/libdeflate.so"]) {
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      env: { ...process.env, SLIPWAY_LIBDEFLATE },
    });
    assert.equal(stdout, "true\n", stderr);
  }
});
