import assert from "node:assert/strict";
import { test } from "node:test";
import { cgroupPath, ownPids, signalNumber } from "./start-file.ts";
import type { ContainerRecord } from "./container-store.ts";

test("signals by name and number", () => {
  const table: [string, number][] = [
    ["KILL", 9],
    ["SIGTERM", 15],
    ["sigusr1", 10],
    ["2", 2],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
  ];
  for (const [text, number] of table) assert.equal(signalNumber(text), number, text);
  for (const text of ["", "0", "65", "NOPE", "-9"])
    assert.throws(() => signalNumber(text), { code: "SIGNAL_INVALID", message: `Invalid signal: ${text}` });
});

test("who has a process namespace of its own, and where control groups are", () => {
  const record = (config: object) => ({ id: "ab", config }) as unknown as ContainerRecord;
  assert.equal(ownPids(record({})), true);
  for (const config of [{ pidMode: "host" }, { pidMode: "container:x" }, { ipcMode: "container:x" }])
    assert.equal(ownPids(record(config)), false);
  assert.equal(cgroupPath(record({})), "/slipway/ab");
  assert.equal(cgroupPath(record({ cgroupParent: "a/../../b" })), "/b/ab");
});
