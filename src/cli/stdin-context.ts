// What comes from standard input: a Dockerfile, or a whole context as a tar archive. An archive is put on disk as it comes and sent to
// the builder as the file of a URL that only the session answers. Counterpart: docker/buildx build/opt.go loadInputs; moby/buildkit
// session/upload.

import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

const HEADER_BYTES = 1024;
/** More than any Dockerfile has; the rest of the build would read it into memory too. */
const MAX_DOCKERFILE_BYTES = 16 * 1024 * 1024;

export type StdinContent =
  | { readonly kind: "dockerfile"; readonly bytes: Uint8Array }
  /** `url` is the context; `id` is what the session is asked for. */
  | { readonly kind: "archive"; readonly url: string; readonly id: string; readonly path: string };

/** Reads standard input; an archive is written below the folder that `makeFolder` gives. @throws when a Dockerfile is too big. */
export async function readStdin(
  stdin: NodeJS.ReadableStream,
  makeFolder: () => Promise<string>,
): Promise<StdinContent> {
  const source = chunksOf(stdin);
  const head: Buffer[] = [];
  let size = 0;
  while (size < HEADER_BYTES) {
    const next = await source.next();
    if (next.done === true) break;
    head.push(next.value);
    size += next.value.length;
  }
  const start = Buffer.concat(head);
  if (!isArchive(start)) return { kind: "dockerfile", bytes: await readRest(start, source) };
  const path = join(await makeFolder(), "context");
  const id = randomBytes(16).toString("hex");
  await pipeline(
    async function* () {
      yield start;
      yield* source;
    },
    createWriteStream(path, { mode: 0o600, flags: "wx" }),
  );
  return { kind: "archive", url: `http://buildkit-session/${id}`, id, path };
}

/** A Dockerfile from standard input, whatever it looks like. @throws when it is too big. */
export function readDockerfile(stdin: NodeJS.ReadableStream): Promise<Uint8Array> {
  return readRest(Buffer.alloc(0), chunksOf(stdin));
}

async function* chunksOf(stdin: NodeJS.ReadableStream): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of stdin) yield Buffer.from(chunk);
}

async function readRest(start: Buffer, source: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const chunks = [start];
  let size = start.length;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > MAX_DOCKERFILE_BYTES) throw new Error("the Dockerfile from standard input has more than 16 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function isArchive(bytes: Buffer): boolean {
  const magics = ["425a68", "1f8b08", "fd377a585a00", "28b52ffd"];
  if (magics.some((magic) => bytes.subarray(0, magic.length / 2).toString("hex") === magic)) return true;
  if (bytes.length < 512) return false;
  // A tar header carries the sum of its own bytes, its checksum field counted as blanks.
  const field = bytes
    .subarray(148, 156)
    .toString("latin1")
    .replace(/[\0 ]+$/, "")
    .trim();
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += bytes[at]!;
  return /^[0-7]+$/.test(field) && Number.parseInt(field, 8) === sum;
}
