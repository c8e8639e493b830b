import { test } from "node:test";
import { keyStorageConformance } from "./key-storage-conformance.ts";
import { MemoryKeyStorage } from "./key-storage.ts";

for (const [name, check] of Object.entries(keyStorageConformance)) {
  test(`memory: ${name}`, () => check(new MemoryKeyStorage()));
}
