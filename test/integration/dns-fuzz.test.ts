// The DNS message code of the network helper under the sanitizers, with hostile packets. SLIPWAY_FUZZ_ROUNDS asks for more of them.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const home = join(import.meta.dirname, "../..");
const dir = mkdtempSync(join(tmpdir(), "slipway-dns-fuzz-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const compiler = process.env["CC"] ?? "cc";
const skip = spawnSync(compiler, ["--version"]).status === 0 ? false : `no C compiler (${compiler})`;

test("no packet makes the DNS code touch what is not its own", { skip }, () => {
  const program = join(dir, "dns-fuzz");
  const sources = ["native/fuzz/dns-fuzz.c", "native/supervisor/dns-message.c"];
  const flags = [
    "-O1",
    "-g",
    "-std=gnu17",
    "-D_GNU_SOURCE",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fsanitize=address,undefined",
  ];
  execFileSync(compiler, [...flags, "-o", program, ...sources], { cwd: home, stdio: "pipe" });
  const rounds = process.env["SLIPWAY_FUZZ_ROUNDS"] ?? "100000";
  const { status, stdout, stderr } = spawnSync(program, [rounds], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${rounds} packets\n`);
});
