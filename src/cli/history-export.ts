// `slipway history export`: a record and all that it names as one archive, for somebody else to look into: an OCI layout whose blobs are
// the record, the log and the error. Counterpart: docker/buildx commands/history/export.go (Docker Desktop's .dockerbuild).

import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { finished } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { digestOf } from "../base/index.ts";
import { encodeHeader, paddingAfter, plainEntry, TAR_END } from "../formats/archive/index.ts";
import { encodeIndex, encodeManifest, mediaTypes } from "../formats/oci/index.ts";
import type { Descriptor } from "../formats/oci/index.ts";
import type { control } from "../formats/proto/index.ts";
import type { Builder, BuildRecord } from "../service/builders/index.ts";
import type { Invocation } from "./command.ts";

const RECORD_TYPE = "application/vnd.buildkit.historyrecord.v0";

/** Writes the archive to `-o`, or to standard output where that is no terminal. */
export async function exportRecord(
  { flags, shell }: Invocation,
  builder: Builder,
  { record, isRunning }: BuildRecord,
): Promise<number> {
  if (isRunning) throw new Error(`build ${record.Ref} still runs`);
  const output = flags.string("output");
  if (output === "" && shell.stdout.isTTY === true) {
    throw new Error("refusing to write to console, use --output flag or redirect standard output");
  }
  const blobs = new Map<string, Uint8Array>();
  const add = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const layers: Descriptor[] = [];
  for (const named of [record.logs, record.externalError, ...attestations(record)]) {
    if (named !== undefined && !blobs.has(named.digest)) {
      layers.push(add(named.mediaType, await builder.history.blob(named.digest)));
    }
  }
  const config = add(RECORD_TYPE, Buffer.from(JSON.stringify(recordJson(record), undefined, 2)));
  const manifest = add(mediaTypes.ociManifest, encodeManifest({ mediaType: mediaTypes.ociManifest, config, layers }));
  const index = encodeIndex({ mediaType: mediaTypes.ociIndex, manifests: [manifest] });
  const files: [string, Uint8Array][] = [
    ...[...blobs].map(([digest, bytes]): [string, Uint8Array] => [`blobs/sha256/${digest.slice(7)}`, bytes]),
    ["index.json", index],
    ["oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
  ];
  const archive = gzipSync(Buffer.concat([...files.flatMap(([path, bytes]) => tarEntry(path, bytes)), TAR_END]));
  const out = output === "" ? shell.stdout : createWriteStream(resolve(shell.cwd, output), { mode: 0o600 });
  if (output === "") out.write(archive);
  else {
    out.end(archive);
    await finished(out);
  }
  return 0;
}

function attestations({ Result, Results }: control.BuildHistoryRecord): control.Descriptor[] {
  return [Result, ...Object.values(Results)].flatMap((info) => info?.Attestations ?? []);
}

function tarEntry(path: string, bytes: Uint8Array): Uint8Array[] {
  const header = plainEntry({ path, type: "file", mode: 0o644, size: bytes.byteLength });
  return [encodeHeader(header), bytes, Buffer.alloc(paddingAfter(bytes.byteLength))];
}

/** As Go writes the message in JSON. */
function recordJson(record: control.BuildHistoryRecord): Record<string, unknown> {
  const time = (at: control.BuildHistoryRecord["CreatedAt"]) =>
    at === undefined ? undefined : { seconds: Number(at.seconds), nanos: at.nanos };
  const descriptor = (each: control.Descriptor | undefined) =>
    each === undefined ? undefined : { media_type: each.mediaType, digest: each.digest, size: Number(each.size) };
  return {
    Ref: record.Ref,
    Frontend: record.Frontend,
    FrontendAttrs: record.FrontendAttrs,
    Exporters: record.Exporters.map(({ Type, Attrs }) => ({ Type, Attrs })),
    error: record.error === undefined ? undefined : { code: record.error.code, message: record.error.message },
    CreatedAt: time(record.CreatedAt),
    CompletedAt: time(record.CompletedAt),
    logs: descriptor(record.logs),
    ExporterResponse: record.ExporterResponse,
    Generation: record.Generation,
    pinned: record.pinned || undefined,
    numCachedSteps: record.numCachedSteps,
    numTotalSteps: record.numTotalSteps,
    numCompletedSteps: record.numCompletedSteps,
    externalError: descriptor(record.externalError),
    numWarnings: record.numWarnings,
  };
}
