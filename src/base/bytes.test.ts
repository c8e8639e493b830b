import assert from "node:assert/strict";
import { test } from "node:test";
import { byteString, bytesOf, fsPath, textOf } from "./index.ts";

void test("byte strings hold any bytes and turn back into what they were", () => {
  assert.equal(byteString("plain/path"), "plain/path");
  assert.equal(byteString("\u00e4"), "\u00c3\u00a4");
  assert.equal(textOf(byteString("Zo\u00eb \u{1f600}")), "Zo\u00eb \u{1f600}");
  assert.equal(fsPath("plain"), "plain");
  assert.deepEqual(fsPath("\u00ff\u0041"), Buffer.from([0xff, 0x41]));
  assert.deepEqual(bytesOf("\u00ff"), Buffer.from([0xff]));
  assert.equal(textOf("\u00ff"), "\ufffd");
  // By bytes, not by UTF-16 units: U+FF5E comes before U+1F600.
  assert.ok(byteString("\uff5e") < byteString("\u{1f600}"));
});
