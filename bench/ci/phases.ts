// What a job spent its time with, from the progress that a build writes with `--progress rawjson`. Much goes on at once: each moment counts
// for the first of build, load and export that is under way then, so that export is what is left to wait for when nothing else is.

export interface Phases {
  readonly buildMs: number;
  readonly loadMs: number;
  readonly exportMs: number;
  /** Steps that ran: not taken from a cache. */
  readonly ranSteps: number;
  /** Bytes of layers that were sent to an engine, where the builder tells. */
  readonly sentBytes: number | undefined;
}

interface Status {
  readonly vertexes?: readonly {
    readonly digest: string;
    readonly name: string;
    readonly cached?: boolean;
    readonly started?: string;
    readonly completed?: string;
  }[];
  readonly statuses?: readonly { readonly id: string }[];
}

type Phase = "build" | "load" | "export";

/** Reads the lines of a progress log; others are passed over. */
export function readPhases(log: string): Phases {
  const spans: { phase: Phase; from: number; to: number }[] = [];
  const ran = new Set<string>();
  const cached = new Set<string>();
  const sent = new Set<string>();
  for (const line of log.split("\n")) {
    if (!line.startsWith("{")) continue;
    const { vertexes = [], statuses = [] } = JSON.parse(line) as Status;
    for (const { digest, name, started, completed, cached: isCached } of vertexes) {
      if (isCached === true) cached.add(digest);
      if (started === undefined || completed === undefined) continue;
      const phase = phaseOf(name);
      spans.push({ phase, from: Date.parse(started), to: Date.parse(completed) });
      if (phase === "build" && isRun(name)) ran.add(digest);
    }
    for (const { id } of statuses) if (id.startsWith("sending ")) sent.add(id);
  }
  const totals = new Map<Phase, number>();
  const times = [...new Set(spans.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  for (const [at, from] of times.entries()) {
    const to = times[at + 1] ?? from;
    const active = new Set(spans.filter((each) => each.from <= from && each.to >= to).map(({ phase }) => phase));
    const phase = (["build", "load", "export"] as const).find((each) => active.has(each));
    if (phase !== undefined) totals.set(phase, (totals.get(phase) ?? 0) + to - from);
  }
  const bytes = [...sent].map((id) => Number(/^sending \d+ of \d+ layers, (\d+) bytes/.exec(id)?.[1] ?? 0));
  return {
    buildMs: totals.get("build") ?? 0,
    loadMs: totals.get("load") ?? 0,
    exportMs: totals.get("export") ?? 0,
    ranSteps: [...ran].filter((digest) => !cached.has(digest)).length,
    sentBytes: bytes.some((each) => each > 0) ? bytes.reduce((sum, each) => sum + each, 0) : undefined,
  };
}

/** Names of steps, with the target's before them in a bake. */
function phaseOf(name: string): Phase {
  if (/exporting cache/.test(name)) return "export";
  return /(^|\] |\s)(exporting to|importing to|sending|loading|naming to)/.test(name) ? "load" : "build";
}

function isRun(name: string): boolean {
  return /\] (RUN|COPY|WORKDIR) /.test(name);
}
