// What a remote build's outputs need of this machine: a layout's index, and the stream into an image loader.

import { once } from "node:events";
import { PassThrough } from "node:stream";
import { putLocalCacheIndex } from "../../engine/cache/index.ts";
import type { ImageLoader, SessionPort } from "../../engine/index.ts";
import { readDescriptor, tryParseReference } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import type { ExporterResponse } from "./builder.ts";

/** The folder of an output that is a layout of its own, written through the session's store. */
export function layoutOutput({ Exporters }: control.SolveRequest, session: SessionPort): string | undefined {
  for (const [index, { Type }] of Exporters.entries()) {
    const target = session.output(index);
    if ((Type === "oci" || Type === "docker") && target?.kind === "directory") return target.path;
  }
  return undefined;
}

/** Names the layout's images in its index. Counterpart: moby/buildkit client/solve.go, what it does once a solve is over. */
export async function nameLayout(folder: string, response: ExporterResponse): Promise<void> {
  const text = response["containerimage.descriptor"];
  if (text === undefined) return;
  const descriptor = readDescriptor(
    JSON.parse(Buffer.from(text, "base64").toString("utf8")),
    "containerimage.descriptor",
  );
  const names = (response["image.name"] ?? "").split(",").filter((name) => name !== "");
  if (names.length === 0) return putLocalCacheIndex(folder, "latest", descriptor);
  for (const name of names) {
    const annotations = { ...descriptor.annotations, "io.containerd.image.name": name };
    await putLocalCacheIndex(folder, tryParseReference(name)?.tag ?? "latest", { ...descriptor, annotations });
  }
}

/** An archive on its way into a loader. */
export interface Load {
  readonly stream: PassThrough;
  /** Rejects with what the loader says. */
  readonly done: Promise<void>;
}

export function startLoad(loader: ImageLoader, signal: AbortSignal): Load {
  const stream = new PassThrough({ highWaterMark: 1 << 20 });
  const done = loader.loadArchive(async (into) => {
    for await (const chunk of stream) if (!into.write(chunk)) await once(into, "drain");
  }, signal);
  done.catch((error: unknown) => stream.destroy(error instanceof Error ? error : new Error(String(error))));
  return { stream, done };
}
