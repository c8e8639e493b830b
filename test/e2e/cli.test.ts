// The command line as a process: what needs no engine. Runs the sources; the bundle goes the same way.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const dir = mkdtempSync(join(tmpdir(), "slipway-e2e-cli-"));
after(() => rmSync(dir, { recursive: true, force: true }));

function slipway(...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...argv], {
    encoding: "utf8",
    cwd: dir,
    env: { PATH: process.env["PATH"], SLIPWAY_ROOT: join(dir, "state"), SLIPWAY_NAMESPACE: "private" },
  });
  return { status, stdout, stderr };
}

suite("slipway as a process", () => {
  test("help goes to stdout with exit code 0 and touches nothing", () => {
    for (const argv of [["--help"], ["build", "--help"], ["help", "du"], []]) {
      const { status, stdout, stderr } = slipway(...argv);
      assert.deepEqual([status, stderr], [0, ""], argv.join(" "));
      assert.match(stdout, /^Usage: {2}slipway/);
    }
  });

  test("usage errors go to stderr with exit code 1", () => {
    for (const argv of [["build"], ["build", "--nope", "."], ["nope"], ["prune", "--max-used-space=x"]]) {
      const { status, stdout, stderr } = slipway(...argv);
      assert.deepEqual([status, stdout], [1, ""], argv.join(" "));
      assert.match(stderr, /--help' for more information\n$/);
    }
  });

  test("input errors come before the engine starts", () => {
    const { status, stderr } = slipway("build", "nowhere");
    assert.equal(status, 1);
    assert.match(stderr, /^ERROR: failed to build: unable to prepare context: path "nowhere" not found\n/);
  });

  test("an archive on standard output is all there is on it, quiet or not", () => {
    writeFileSync(join(dir, "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
    for (const flags of [["-q"], ["--progress", "quiet"], []]) {
      const { status, stdout } = slipway("build", ...flags, "-o", "-", ".");
      assert.equal(status, 0);
      assert.match(stdout, /^Dockerfile\0/);
      assert.equal(stdout.length % 512, 0, flags.join(" "));
    }
  });

  test("a reader that goes away is no error", async () => {
    const child = spawn(process.execPath, [main, "build", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.deepEqual([code, stderr], [0, ""]);
  });
});
