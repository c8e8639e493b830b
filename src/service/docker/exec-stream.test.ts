import assert from "node:assert/strict";
import { Duplex, PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { FramedStream } from "./exec-stream.ts";

function frame(kind: number, content: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([header, Buffer.from(content)]);
}

function attached(): { readonly out: PassThrough; readonly input: PassThrough; readonly stream: FramedStream } {
  const [out, input] = [new PassThrough(), new PassThrough()];
  const socket = Duplex.from({ readable: out, writable: input } as never);
  return { out, input, stream: new FramedStream(socket) };
}

test("frames are taken apart wherever they are cut", async () => {
  const whole = Buffer.concat([
    frame(1, "one "),
    frame(2, "a warning"),
    frame(1, ""),
    frame(1, "two "),
    frame(1, "three"),
  ]);
  for (let size = 1; size <= whole.length; size++) {
    const { out, stream } = attached();
    for (let at = 0; at < whole.length; at += size) out.write(whole.subarray(at, at + size));
    out.end();
    assert.equal(await text(stream), "one two three", `in pieces of ${size}`);
  }
});

test("more than anybody reads at once", async () => {
  const { out, stream } = attached();
  const block = "x".repeat(100_000);
  const sent = (async () => {
    for (let count = 0; count < 50; count++) {
      if (!out.write(frame(1, block))) await new Promise((resolve) => out.once("drain", resolve));
    }
    out.end();
  })();
  assert.equal((await text(stream)).length, 50 * block.length);
  await sent;
});

test("a program that only complains: its words are the error", async () => {
  const { out, stream } = attached();
  out.end(frame(2, "sh: not found\n"));
  await assert.rejects(text(stream), { message: "sh: not found", code: "BUILDER_UNREACHABLE" });
});

test("what is written goes to its input as it is, its end too", async () => {
  const { input, stream } = attached();
  stream.on("error", () => undefined).resume();
  stream.end("hello");
  assert.equal(await text(input), "hello");
});
