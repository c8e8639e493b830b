// The output of several containers as one stream of lines, each with whose it is. Counterpart: docker/compose pkg/compose/logs.go,
// cmd/formatter/logs.go.

import type { Containers, LogOptions } from "../containers/index.ts";

export interface ProjectLine {
  /** What prefixes it. */
  readonly source: string;
  readonly stream: "stdout" | "stderr";
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  /** Without its newline. */
  readonly text: string;
}

/** Hands over every line of a container's log; parts of long lines are joined. Resolves at its end. */
export async function eachLine(
  containers: Containers,
  { id, source }: { readonly id: string; readonly source: string },
  options: LogOptions,
  onLine: (line: ProjectLine) => void,
): Promise<void> {
  const open = { stdout: "", stderr: "" };
  const last = { stdout: "", stderr: "" };
  try {
    for await (const { stream, time, text } of containers.logs(id, options)) {
      if (open[stream] === "") last[stream] = time;
      open[stream] += text;
      const lines = open[stream].split("\n");
      // A line without end is handed over before it fills the memory.
      open[stream] = lines.at(-1)!.length > 1 << 20 ? "" : lines.pop()!;
      for (const line of lines) onLine({ source, stream, time: last[stream], text: line.replace(/\r$/, "") });
      last[stream] = time;
    }
  } finally {
    for (const stream of ["stdout", "stderr"] as const) {
      if (open[stream] !== "") onLine({ source, stream, time: last[stream], text: open[stream] });
    }
  }
}
