// A builder's error as this side's: the sentence, the step and the place in the Dockerfile, from the details that BuildKit sends along.
// Counterpart: moby/buildkit util/grpcerrors, solver/errdefs.

import { fromBinary, fromJson } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { BuildError } from "../../base/index.ts";
import type { SourceSpan } from "../../base/index.ts";
import { errdefs } from "../../formats/proto/index.ts";
import { RpcError } from "../../system/rpc/index.ts";
import type { StatusDetail } from "../../system/rpc/index.ts";

/** Errors of other kinds come back as they are. */
export function fromRemote(error: unknown, builder: string): unknown {
  if (!(error instanceof RpcError)) return error;
  const sources = sourcesOf(error.details);
  const vertex = error.details.flatMap((detail) => read(detail, "errdefs.Vertex", errdefs.VertexSchema) ?? [])[0];
  const lost = error.status === "Unavailable";
  return new BuildError(withoutPrefixes(error.message), {
    code: lost ? "BUILDER_UNREACHABLE" : "REMOTE_FAILED",
    status: error.status,
    retryable: lost,
    sources,
    cause: error,
    ...(vertex === undefined || vertex.digest === "" ? {} : { vertex: vertex.digest }),
    ...(lost ? { hint: `is the builder up? try: slipway inspect ${builder} --bootstrap` } : {}),
  });
}

/** Our own line says it already. */
function withoutPrefixes(message: string): string {
  return message.replace(/^(failed to solve: )+/, "");
}

/** The places in sources that details name. */
export function sourcesOf(details: readonly StatusDetail[]): SourceSpan[] {
  return details.flatMap((detail) => sourceOf(detail));
}

function sourceOf(detail: StatusDetail): SourceSpan[] {
  const source = read(detail, "errdefs.Source", errdefs.SourceSchema);
  if (source?.info === undefined) return [];
  return [
    {
      filename: source.info.filename,
      language: source.info.language,
      text: source.info.data,
      ranges: source.ranges.map(({ start, end }) => ({ start: start?.line ?? 0, end: end?.line ?? 0 })),
    },
  ];
}

/** Details are JSON where their type's name says so. What can't be read is left out: the sentence still tells. */
function read<D extends DescMessage>(detail: StatusDetail, name: string, schema: D): MessageShape<D> | undefined {
  if (!detail.typeUrl.includes(name)) return undefined;
  try {
    if (!detail.typeUrl.endsWith("+json")) return fromBinary(schema, detail.value);
    return fromJson(schema, JSON.parse(Buffer.from(detail.value).toString("utf8")), { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}
