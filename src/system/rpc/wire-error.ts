// Errors as BuildKit's clients know them: a status, and details from which they draw the Dockerfile's excerpt, recognise what is not
// supported and ask another way. Details are JSON under BuildKit's own type names.
// Counterpart: moby/buildkit util/grpcerrors, solver/errdefs.

import { BuildError, isAbort, isBuildError } from "../../base/index.ts";
import type { SourceSpan } from "../../base/index.ts";
import type { rpc } from "../../formats/proto/index.ts";
import { codeOf, RpcError, StatusCode, toRpcError } from "./status.ts";
import type { StatusDetail } from "./status.ts";

const PREFIX = "github.com/moby/buildkit";
/** Trailers have to fit into what a peer takes for headers: whole files of sources do as a rule. */
const MAX_SOURCE_BYTES = 128 * 1024;

/** An error that a client returned as its build's own: it gets it back as it was. */
export class ReturnedError extends BuildError {
  readonly wire: RpcError;

  constructor(wire: RpcError) {
    super(wire.message, { code: "FRONTEND_FAILED", status: wire.status, sources: sourcesOf(wire.details) });
    this.wire = wire;
  }
}

/** From the status that a client returns. */
export function returnedError(status: rpc.Status): ReturnedError {
  const code = status.code in NAMES ? (status.code as StatusCode) : StatusCode.UNKNOWN;
  return new ReturnedError(new RpcError(code, status.message, { details: status.details }));
}

const NAMES = Object.fromEntries(Object.values(StatusCode).map((code) => [code, true]));

/** Anything thrown, with its details. */
export function wireError(error: unknown): RpcError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof ReturnedError) return at.wire;
    if (at instanceof RpcError) return at;
    if (isBuildError(at)) break;
  }
  if (!isBuildError(error)) return toRpcError(error);
  // BuildKit's clients show a code that is not "Unknown" before the sentence; of what a build itself did wrong it sends none.
  const isBuilds = error.sources.length > 0 || error.vertex !== undefined;
  const code = isAbort(error) ? StatusCode.CANCELLED : isBuilds ? StatusCode.UNKNOWN : codeOf(error.status);
  const message = error.hint === undefined ? error.message : `${error.message}\n${HINT}${error.hint}`;
  return new RpcError(code, message, {
    details: detailsOf(error),
    cause: error,
  });
}

const HINT = "hint: ";

function detailsOf(error: BuildError): StatusDetail[] {
  const details: StatusDetail[] = [];
  if (error.vertex !== undefined) details.push(detail("errdefs.Vertex", { digest: error.vertex }));
  for (const span of error.sources) details.push(detail("errdefs.Source", sourceJson(span)));
  const subrequest = /^unsupported request (frontend\.[\w.]+)/.exec(error.message)?.[1];
  if (subrequest !== undefined) details.push(detail("errdefs.Subrequest", { name: subrequest }));
  const cap = /unsupported frontend capability ([\w.]+)/.exec(error.message)?.[1];
  if (cap !== undefined) details.push(detail("errdefs.FrontendCap", { name: cap }));
  return details;
}

/** As Go's encoding/json writes the generated struct. */
function sourceJson({ filename, language, text, ranges }: SourceSpan): unknown {
  const data = text.byteLength > MAX_SOURCE_BYTES ? new Uint8Array() : text;
  return {
    info: {
      ...(filename === "" ? {} : { filename }),
      ...(data.byteLength === 0 ? {} : { data: Buffer.from(data).toString("base64") }),
      ...(language === "" ? {} : { language }),
    },
    ranges: ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })),
  };
}

function sourcesOf(details: readonly StatusDetail[]): SourceSpan[] {
  const spans: SourceSpan[] = [];
  for (const { typeUrl, value } of details) {
    if (typeUrl !== `${PREFIX}/errdefs.Source+json`) continue;
    try {
      const { info, ranges } = JSON.parse(Buffer.from(value).toString()) as {
        info?: { filename?: string; data?: string; language?: string };
        ranges?: { start?: { line?: number }; end?: { line?: number } }[];
      };
      spans.push({
        filename: String(info?.filename ?? ""),
        language: String(info?.language ?? ""),
        text: Buffer.from(String(info?.data ?? ""), "base64"),
        ranges: (ranges ?? []).map(({ start, end }) => ({
          start: Number(start?.line ?? 0),
          end: Number(end?.line ?? 0),
        })),
      });
    } catch {
      // A detail that can't be read is no detail.
    }
  }
  return spans;
}

function detail(name: string, value: unknown): StatusDetail {
  return { typeUrl: `${PREFIX}/${name}+json`, value: Buffer.from(JSON.stringify(value)) };
}
