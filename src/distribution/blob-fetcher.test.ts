// Blobs into the content store: once, bounded, verified.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { BuildError, digestOf } from "../base/index.ts";
import { mediaTypes } from "../formats/oci/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import { ContentStore } from "../storage/content/index.ts";
import { BlobFetcher } from "./blob-fetcher.ts";
import type { BlobProvider, FetchProgress } from "./blob-fetcher.ts";

function store(t: TestContext): { content: ContentStore; leftovers: () => string[] } {
  const root = mkdtempSync(join(tmpdir(), "slipway-fetch-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return { content: new ContentStore(root, "test"), leftovers: () => readdirSync(join(root, "ingest")) };
}

function describeBytes(bytes: Uint8Array): Descriptor {
  return { mediaType: mediaTypes.ociLayer, digest: digestOf(bytes), size: bytes.byteLength };
}

/** A provider over chunk lists, one for each place; counts what is opened. */
function providing(
  ...places: ((signal?: AbortSignal) => AsyncIterable<Uint8Array>)[]
): BlobProvider & { opened: number } {
  const provider = {
    opened: 0,
    sources: places.length,
    open: (_: Descriptor, source: number, signal?: AbortSignal) => {
      provider.opened++;
      return places[source]!(signal);
    },
  };
  return provider;
}

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part));
}

const bytes = Buffer.from("hello world");

test("a blob is fetched once however many ask, with progress for each", async (t) => {
  const { content } = store(t);
  const provider = providing(() => chunks("hello ", "world"));
  const fetcher = new BlobFetcher(content);
  const seen: FetchProgress[][] = [[], []];
  await Promise.all(
    seen.map((list) =>
      fetcher.fetch(describeBytes(bytes), provider, { onProgress: (progress) => list.push(progress) }),
    ),
  );
  await fetcher.fetch(describeBytes(bytes), provider);
  assert.equal(provider.opened, 1);
  assert.deepEqual(Buffer.from(content.read(digestOf(bytes))), bytes);
  const { digest } = describeBytes(bytes);
  const expected = [6, 11].map((receivedBytes) => ({ digest, receivedBytes, totalBytes: 11 }));
  assert.deepEqual(seen, [expected, expected]);
});

test("wrong bytes, too many and too few are refused, and nothing is left", async (t) => {
  const { content, leftovers } = store(t);
  const fetcher = new BlobFetcher(content);
  const { digest } = describeBytes(bytes);
  const cases: [string[], string, RegExp][] = [
    [["hello_world"], "DIGEST_MISMATCH", new RegExp(`^blob ${digest}: the bytes that came`)],
    [["hello world", "!"], "SIZE_MISMATCH", new RegExp(`^blob ${digest}: more than the announced 11 bytes`)],
    [["hello"], "SIZE_MISMATCH", new RegExp(`^blob ${digest}: 5 bytes came`)],
  ];
  for (const [parts, code, message] of cases) {
    await assert.rejects(
      fetcher.fetch(
        describeBytes(bytes),
        providing(() => chunks(...parts)),
      ),
      { code, message },
    );
    assert.equal(content.has(digest), false);
    assert.deepEqual(leftovers(), []);
  }
});

test("the next place is asked where one fails; the last one's error counts", async (t) => {
  const { content } = store(t);
  const fetcher = new BlobFetcher(content);
  const failing = (code: string) =>
    async function* (): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from("hel"));
      throw new BuildError(code, { code });
    };
  const bad = providing(failing("FIRST"), () => chunks("wrong bytes"), failing("LAST"));
  await assert.rejects(fetcher.fetch(describeBytes(bytes), bad), { code: "LAST" });
  assert.equal(bad.opened, 3);
  const good = providing(
    failing("FIRST"),
    () => chunks("wrong bytes"),
    () => chunks("hello world"),
  );
  await fetcher.fetch(describeBytes(bytes), good);
  assert.equal(content.has(digestOf(bytes)), true);
});

test("no more than the given number are fetched at once", async (t) => {
  const { content } = store(t);
  const fetcher = new BlobFetcher(content, 2);
  let running = 0;
  let most = 0;
  const all = Array.from({ length: 8 }, (_, at) => Buffer.from(`blob ${at}`));
  await Promise.all(
    all.map((each) =>
      fetcher.fetch(
        describeBytes(each),
        providing(async function* () {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          yield each;
          running--;
        }),
      ),
    ),
  );
  assert.equal(most, 2);
});

test("one waiter that leaves does not stop the fetch; the last one does", async (t) => {
  const { content, leftovers } = store(t);
  const fetcher = new BlobFetcher(content);
  let shared: AbortSignal | undefined;
  let go!: () => void;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const provider = providing(async function* (signal) {
    shared = signal;
    yield Buffer.from("hello ");
    await gate;
    signal?.throwIfAborted();
    yield Buffer.from("world");
  });
  const leaving = new AbortController();
  const staying = fetcher.fetch(describeBytes(bytes), provider);
  const left = fetcher.fetch(describeBytes(bytes), provider, { signal: leaving.signal });
  leaving.abort(new Error("left"));
  await assert.rejects(left, /left/);
  assert.equal(shared?.aborted, false);
  go();
  await staying;
  assert.deepEqual(leftovers(), []);

  const other = Buffer.from("other");
  const alone = new AbortController();
  let stopped!: () => void;
  const ended = new Promise<void>((resolve) => (stopped = resolve));
  const endless = providing(async function* (signal) {
    try {
      alone.abort(new Error("alone"));
      await new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason as Error)));
      yield other;
    } finally {
      stopped();
    }
  });
  await assert.rejects(fetcher.fetch(describeBytes(other), endless, { signal: alone.signal }), /alone/);
  await ended;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(leftovers(), []);
});

test("the empty blob", async (t) => {
  const { content } = store(t);
  const seen: number[] = [];
  const empty = describeBytes(Buffer.alloc(0));
  await new BlobFetcher(content).fetch(
    empty,
    providing(() => chunks()),
    { onProgress: (each) => seen.push(each.receivedBytes) },
  );
  assert.equal(content.has(empty.digest), true);
  assert.deepEqual(seen, [0]);
});
