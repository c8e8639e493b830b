import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createDisplay } from "./display.ts";
import { collector, log, messagesOf, vertex, warning } from "./test-messages.ts";

const sample = readFileSync(join(import.meta.dirname, "testdata/rawjson.txt"), "utf8");

test("a recorded build goes through byte for byte", () => {
  const out = collector();
  const display = createDisplay("rawjson", { out, isTTY: false, env: {} });
  for (const message of messagesOf(sample)) display.update(message);
  display.finish();
  assert.equal(out.text(), sample);
});

test("logs, warnings and groups", () => {
  const out = collector();
  const display = createDisplay("rawjson", { out, isTTY: false, env: {} });
  display.update(log("a", 1.5, "hi\n"));
  display.update(warning("a", "old"));
  display.update(vertex("a", { group: { id: "g", name: "n", weak: true } }));
  assert.deepEqual(out.text().split("\n"), [
    '{"logs":[{"vertex":"sha256:a","stream":1,"data":"aGkK","timestamp":"2023-11-14T22:13:21.5Z"}]}',
    '{"warnings":[{"vertex":"sha256:a","level":1,"short":"b2xk","detail":["d2hhdCB0byBkbw=="],"url":"https://example.com/rule",' +
      '"sourceInfo":{"filename":"Dockerfile","data":"RlJPTSBzY3JhdGNoCk1BSU5UQUlORVIgbWUK","language":"Dockerfile"},"range":[{"start":{"line":2},"end":{"line":2}}]}]}',
    '{"vertexes":[{"digest":"sha256:a","name":"a","progressGroup":{"id":"g","name":"n","weak":true}}]}',
    "",
  ]);
  assert.equal(display.warnings.length, 1);
});

test("quiet prints nothing", () => {
  const out = collector();
  const display = createDisplay("quiet", { out, isTTY: true, env: {} });
  display.update(log("a", 1, "x"));
  display.cancel("canceling…");
  display.finish();
  assert.equal(out.text(), "");
});
