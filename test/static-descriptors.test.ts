import assert from "node:assert/strict";
import { globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { create, equals, toBinary, toJson } from "@bufbuild/protobuf";
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { rolldown } from "rolldown";
import { staticDescriptors } from "../scripts/static-descriptors.ts";

const home = join(import.meta.dirname, "..");

void test("descriptors in the bundle are what the library decodes when it starts", async (context) => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-descriptors-"));
  context.after(() => rmSync(dir, { recursive: true }));
  const generated = globSync("src/formats/proto/gen/*_pb.js", { cwd: home });
  assert.ok(generated.length > 10);
  const entry = join(dir, "entry.js");
  const library = join(home, "node_modules/@bufbuild/protobuf/dist/esm/wkt/google/protobuf");
  const lines = [
    ...generated.map((path) => join(home, path)),
    join(library, "timestamp_pb.js"),
    join(library, "any_pb.js"),
  ];
  writeFileSync(entry, lines.map((path, at) => `export * as f${at} from ${JSON.stringify(path)};`).join("\n"));
  const bundle = await rolldown({ input: entry, platform: "node", logLevel: "warn", plugins: [staticDescriptors()] });
  await bundle.write({ format: "esm", file: join(dir, "bundle.mjs") });
  await bundle.close();
  const bundled = (await import(pathToFileURL(join(dir, "bundle.mjs")).href)) as Record<
    string,
    Record<string, unknown>
  >;
  let messages = 0;
  for (const [at, path] of lines.entries()) {
    const plain = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    const made = bundled[`f${at}`]!;
    assert.deepEqual(Object.keys(made).sort(), Object.keys(plain).sort());
    for (const [name, desc] of Object.entries(plain)) {
      if (name.startsWith("file_")) {
        const theirs = (desc as DescFile).proto;
        const ours = (made[name] as DescFile).proto;
        assert.deepEqual(toJson(FileDescriptorProtoSchema, ours), toJson(FileDescriptorProtoSchema, theirs));
        // Bytes tell what was set from what has its default.
        assert.deepEqual(toBinary(FileDescriptorProtoSchema, ours), toBinary(FileDescriptorProtoSchema, theirs));
      } else if ((desc as { kind?: string }).kind === "message") {
        messages++;
        const schema = desc as DescMessage;
        assert.ok(equals(schema, create(made[name] as DescMessage), create(schema)), name);
      }
    }
  }
  assert.ok(messages > 100, `${messages} messages`);
});
