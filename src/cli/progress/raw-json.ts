// One JSON object a line for each status message, field for field as Go encodes BuildKit's client.SolveStatus.
// Counterpart: moby/buildkit client/graph.go.

import type { control } from "../../formats/proto/index.ts";
import { goJson } from "../../formats/oci/index.ts";
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
    ...omitEmpty({ vertex: status.vertex, name: status.name, total: status.total }),
    current: status.current,
    timestamp: status.timestamp ? rfc3339Nano(status.timestamp) : "0001-01-01T00:00:00Z",
    ...omitEmpty({
      started: status.started && rfc3339Nano(status.started),
      completed: status.completed && rfc3339Nano(status.completed),
    }),
  };
}

function logJson(log: control.VertexLog): Fields {
  return {
    ...omitEmpty({ vertex: log.vertex, stream: log.stream }),
    data: log.msg,
    timestamp: log.timestamp ? rfc3339Nano(log.timestamp) : "0001-01-01T00:00:00Z",
  };
}

function warningJson(warning: control.VertexWarning): Fields {
  const { info } = warning;
  return omitEmpty({
    vertex: warning.vertex,
    level: warning.level,
    short: warning.short,
    detail: warning.detail,
    url: warning.url,
    sourceInfo: info && omitEmpty({ filename: info.filename, data: info.data, language: info.language }),
    range: warning.ranges.map((range) =>
      omitEmpty({ start: range.start && positionJson(range.start), end: range.end && positionJson(range.end) }),
    ),
  });
}

function positionJson(position: { readonly line: number; readonly character: number }): Fields {
  return omitEmpty({ line: position.line, character: position.character });
}

/** Go's `omitempty`: no empty strings, lists, zeros, falses or missing values. */
function omitEmpty(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) =>
        value !== undefined &&
        value !== "" &&
        value !== 0 &&
        value !== 0n &&
        value !== false &&
        (value as { length?: number }).length !== 0,
    ),
  );
}
