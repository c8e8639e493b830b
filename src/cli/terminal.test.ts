import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDetachKeys } from "./terminal.ts";

test("keys that detach", () => {
  const table: [string, number[]][] = [
    ["ctrl-p,ctrl-q", [16, 17]],
    ["ctrl-@", [0]],
    ["CTRL-A,x", [1, 120]],
    ["ctrl-[,ctrl-_", [27, 31]],
  ];
  for (const [text, bytes] of table) assert.deepEqual([...parseDetachKeys(text)], bytes, text);
  assert.throws(() => parseDetachKeys("ctrl-p,shift"), { message: "invalid detach keys: unknown character: 'shift'" });
});
