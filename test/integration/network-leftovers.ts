// What networks leave behind on a machine, and that it is nothing: shared by the suites that run in namespaces of their own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Bridges, wires and packet rules of Slipway's, a line each. */
export function networkLeftovers(): string[] {
  const devices = execFileSync("ip", ["-o", "link"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(": sw"));
  const rules = execFileSync("iptables-save", { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("SW"));
  return [...devices, ...rules];
}

/** Wires of a namespace that is dead may be there for ten seconds more, until the kernel gets round to them; nothing else may. */
export async function assertNothingLeft(found: () => string[], message = "something is left"): Promise<void> {
  const isWire = (line: string) => /^\d+: swv-/.test(line);
  for (let left = 200; left > 0 && found().some(isWire); left--) {
    assert.deepEqual(
      found().filter((line) => !isWire(line)),
      [],
      message,
    );
    await sleep(50);
  }
  assert.deepEqual(found(), [], message);
}
