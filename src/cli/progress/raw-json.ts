// One JSON object a line for each status message, field for field as Go encodes BuildKit's client.SolveStatus.
// Counterpart: moby/buildkit client/graph.go.

import type { control } from "../../formats/proto/index.ts";
import { rfc3339Nano } from "./time.ts";

type Fields = Record<string, unknown>;

/** The line of a message, newline included. */
export function rawJsonLine(message: control.StatusResponse): string {
  const status = omitEmpty({
    vertexes: message.vertexes.map(vertexJson),
    statuses: message.statuses.map(statusJson),
    logs: message.logs.map(logJson),
    warnings: message.warnings.map(warningJson),
  });
  return `${goJson(status)}\n`;
}

/** JSON as Go's encoder writes it: `<`, `>`, `&` and the two line separators are escaped. */
export function goJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function vertexJson(vertex: control.Vertex): Fields {
  const group = vertex.progressGroup;
  return omitEmpty({
    digest: vertex.digest,
    inputs: vertex.inputs,
    name: vertex.name,
    started: vertex.started && rfc3339Nano(vertex.started),
    completed: vertex.completed && rfc3339Nano(vertex.completed),
    cached: vertex.cached,
    error: vertex.error,
    progressGroup: group && omitEmpty({ id: group.id, name: group.name, weak: group.weak }),
  });
}

function statusJson(status: control.VertexStatus): Fields {
  return {
    id: status.ID,
    ...omitEmpty({ vertex: status.vertex, name: status.name, total: Number(status.total) }),
    current: Number(status.current),
    timestamp: status.timestamp ? rfc3339Nano(status.timestamp) : "0001-01-01T00:00:00Z",
    ...omitEmpty({
      started: status.started && rfc3339Nano(status.started),
      completed: status.completed && rfc3339Nano(status.completed),
    }),
  };
}

function logJson(log: control.VertexLog): Fields {
  return {
    ...omitEmpty({ vertex: log.vertex, stream: Number(log.stream) }),
    data: base64(log.msg),
    timestamp: log.timestamp ? rfc3339Nano(log.timestamp) : "0001-01-01T00:00:00Z",
  };
}

function warningJson(warning: control.VertexWarning): Fields {
  const { info } = warning;
  return omitEmpty({
    vertex: warning.vertex,
    level: Number(warning.level),
    short: base64(warning.short),
    detail: warning.detail.map(base64),
    url: warning.url,
    sourceInfo: info && omitEmpty({ filename: info.filename, data: base64(info.data), language: info.language }),
    range: warning.ranges.map((range) =>
      omitEmpty({ start: range.start && positionJson(range.start), end: range.end && positionJson(range.end) }),
    ),
  });
}

function positionJson(position: { readonly line: number; readonly character: number }): Fields {
  return omitEmpty({ line: position.line, character: position.character });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Go's `omitempty`: no empty strings, lists, zeros, falses or missing values. */
function omitEmpty(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) => value !== undefined && value !== "" && value !== 0 && value !== false && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
