import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hostPlatform } from "../../formats/oci/index.ts";
import { canRun } from "./emulation.ts";

test("the machine's own programs run; others need an enabled emulator that is opened beforehand", () => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-binfmt-"));
  try {
    const s390x = { os: "linux", architecture: "s390x" };
    const riscv = { os: "linux", architecture: "riscv64" };
    assert.equal(canRun(hostPlatform(), dir), true);
    assert.equal(canRun({ os: "windows", architecture: hostPlatform().architecture }, dir), false);
    assert.equal(canRun(s390x, dir), false);
    const entry = (first: string, flags: string) =>
      `${first}\ninterpreter /usr/bin/qemu-s390x\nflags: ${flags}\noffset 0\n` +
      "magic 7f454c4602020100000000000000000000020016\nmask ffffffffffffff00fffffffffffffffffffeffff\n";
    writeFileSync(join(dir, "status"), "enabled\n");
    writeFileSync(join(dir, "qemu-s390x"), entry("enabled", "OCF"));
    assert.equal(canRun(s390x, dir), true);
    assert.equal(canRun(riscv, dir), false);
    writeFileSync(join(dir, "qemu-s390x"), entry("enabled", "OC"));
    assert.equal(canRun(s390x, dir), false);
    writeFileSync(join(dir, "qemu-s390x"), entry("disabled", "OCF"));
    assert.equal(canRun(s390x, dir), false);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
