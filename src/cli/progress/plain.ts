// The plain display: numbered steps, one at a time, switching between running steps only when one has been quiet or another waited
// long. Scripts read it, so the format is BuildKit's to the byte. Every log line is printed.
// Counterpart: moby/buildkit util/progress/progressui/printer.go.

import { amountOf } from "./byte-units.ts";
import { coveredSeconds, secondsBetween } from "./time.ts";
import { isCanceled, isCompleted, isStarted, type Trace, type TraceStatus, type TraceVertex } from "./trace.ts";

const minQuietMs = 5_000;
const maxWaitMs = 10_000;
const statusEveryNs = 5_000_000_000n;
const statusEveryFraction = 0.05;
const tailLines = 10;

/** What the printer remembers of a vertex. */
interface Printed {
  readonly number: number;
  /** Bytes of the open log line that are out already, prefix not counted; 0 when the line must start anew. */
  openPrinted: number;
  warnings: number;
  /** The last lines, for the block about a failed step. */
  readonly tail: Uint8Array[];
  openLine: Uint8Array | undefined;
}

export class PlainPrinter {
  readonly #trace: Trace;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #nowMs: () => number;
  readonly #printed = new Map<TraceVertex, Printed>();
  readonly #lastStatus = new Map<string, { current: bigint; timestampNs: bigint }>();
  #current: TraceVertex | undefined;
  #first = true;
  #out: Uint8Array[] = [];

  constructor(trace: Trace, write: (bytes: Uint8Array) => void, nowMs: () => number) {
    this.#trace = trace;
    this.#write = write;
    this.#nowMs = nowMs;
  }

  /** Prints what is new, as far as it may interrupt the step on show; `last` opens no step that has nothing to say. */
  print(last: boolean): void {
    this.#choose(last);
    this.#flush();
  }

  /** The blocks about failed steps. */
  printFailures(): void {
    for (const vertex of this.#trace.started) {
      if (vertex.error === "" || isCanceled(vertex)) continue;
      const printed = this.#printed.get(vertex);
      this.#line("------");
      this.#line(` > ${vertex.name}:`);
      for (const line of printed?.tail ?? []) this.#line(line);
      if (printed?.openLine) this.#line(printed.openLine);
      this.#line("------");
    }
    this.#flush();
  }

  /** A line of its own between steps. */
  note(text: string): void {
    if (this.#current) this.#leave(this.#current);
    this.#current = undefined;
    this.#line(text);
    this.#flush();
  }

  #choose(last: boolean): void {
    const completed: TraceVertex[] = [];
    const running: TraceVertex[] = [];
    for (const vertex of this.#trace.updated) {
      if (vertex.hidden) continue;
      (isCompleted(vertex) ? completed : running).push(vertex);
    }
    const before = this.#current;
    if (before && completed.includes(before)) this.#printVertex(before);
    for (const vertex of completed.toSorted(byEnd)) if (vertex !== before) this.#printVertex(vertex);

    if (running.length === 0) {
      if (last || (before && isStarted(before) && !isCompleted(before))) return;
      const open = this.#trace.started.find((vertex) => !isCompleted(vertex) && !vertex.hidden);
      if (open) this.#printVertex(open);
      return;
    }
    if (before && running.includes(before)) this.#printVertex(before);
    if (!before || completed.includes(before)) {
      const loudest = this.#loudest(running);
      if (loudest) this.#printVertex(loudest);
      return;
    }
    const candidates = running.includes(before) ? running : [...running, before];
    const waiting = candidates.find((vertex) => vertex !== before && this.#waitedMs(vertex) > maxWaitMs);
    if (waiting) {
      this.#printVertex(waiting);
      return;
    }
    // A step that says a lot keeps the display longer, in proportion to its share of all that is said.
    const sum = candidates.reduce((total, vertex) => total + this.#rate(vertex), 0);
    const share = sum === 0 ? 1 : this.#rate(before) / sum;
    if (minQuietMs / (1 - share) < this.#waitedMs(before)) {
      const loudest = this.#loudest(candidates);
      if (loudest && loudest !== before) this.#printVertex(loudest);
    }
  }

  #loudest(vertexes: readonly TraceVertex[]): TraceVertex | undefined {
    let best: TraceVertex | undefined;
    for (const vertex of vertexes) {
      if (!best || this.#waitedMs(vertex) > maxWaitMs || this.#rate(vertex) > this.#rate(best)) best = vertex;
    }
    return best;
  }

  #waitedMs(vertex: TraceVertex): number {
    return vertex.activity === 0 ? 0 : this.#nowMs() - vertex.activeSinceMs;
  }

  #rate(vertex: TraceVertex): number {
    return vertex.activity / Math.max(this.#waitedMs(vertex), 1);
  }

  #printVertex(vertex: TraceVertex): void {
    let printed = this.#printed.get(vertex);
    if (!printed) {
      printed = { number: this.#printed.size + 1, openPrinted: 0, warnings: 0, tail: [], openLine: undefined };
      this.#printed.set(vertex, printed);
    }
    const prefix = `#${printed.number} `;
    if (vertex !== this.#current) {
      if (this.#current) {
        const left = this.#current;
        this.#leave(left);
      }
      if (this.#first) this.#first = false;
      else this.#line("");
      this.#line(`${prefix}${vertex.name}`);
    }
    const openStatus = this.#printStatuses(vertex, prefix);
    for (const warning of vertex.warnings.slice(printed.warnings))
      this.#line(`${prefix}WARN: ${Buffer.from(warning.short).toString()}`);
    printed.warnings = vertex.warnings.length;
    this.#printLogs(vertex, printed, prefix);

    this.#current = vertex;
    if (isCompleted(vertex) && !openStatus) {
      this.#current = undefined;
      vertex.activity = 0;
      if (vertex.logOpen) this.#endOpenLine(vertex, printed);
      this.#line(`${prefix}${this.#ending(vertex)}`);
    }
    this.#trace.updated.delete(vertex);
  }

  /** Turns away from a step that still runs. */
  #leave(vertex: TraceVertex): void {
    const printed = this.#printed.get(vertex)!;
    if (vertex.logOpen && printed.openPrinted > 0) this.#line("");
    printed.openPrinted = 0;
    vertex.activity = 0;
    this.#line(`#${printed.number} ...`);
  }

  /** Returns whether a printed status is still open: then the step is not over, whatever its vertex says. */
  #printStatuses(vertex: TraceVertex, prefix: string): boolean {
    let open = false;
    for (const status of vertex.statuses) {
      if (!vertex.freshStatuses.has(status.id) || !this.#isDue(status)) continue;
      this.#lastStatus.set(status.id, { current: status.current, timestampNs: status.timestampNs });
      let time = "";
      if (status.startedNs !== undefined) {
        const seconds = secondsBetween(status.startedNs, status.completedNs ?? status.timestampNs);
        if (seconds > 0.01) time = ` ${seconds.toFixed(1)}s`;
      }
      if (status.completedNs === undefined) open = true;
      this.#line(
        `${prefix}${status.id}${amountOf(status.current, status.total)}${time}${status.completedNs === undefined ? "" : " done"}`,
      );
    }
    vertex.freshStatuses.clear();
    return open;
  }

  #isDue(status: TraceStatus): boolean {
    const last = this.#lastStatus.get(status.id);
    if (!last || status.completedNs !== undefined) return true;
    const fraction = status.total > 0n ? Number(status.current - last.current) / Number(status.total) : 0;
    return fraction >= statusEveryFraction || status.timestampNs - last.timestampNs >= statusEveryNs;
  }

  #printLogs(vertex: TraceVertex, printed: Printed, prefix: string): void {
    const open = vertex.logOpen ? vertex.logs.length - 1 : -1;
    vertex.logs.forEach((line, i) => {
      if (i === 0 && printed.openPrinted > 0) this.#text(line.subarray(printed.openPrinted));
      else this.#text(prefix, line);
      if (i === open) {
        printed.openPrinted = line.length;
        printed.openLine = line;
        return;
      }
      this.#line("");
      printed.openPrinted = 0;
      printed.openLine = undefined;
      printed.tail.push(line);
      if (printed.tail.length > tailLines) printed.tail.shift();
    });
    vertex.logs = open < 0 ? [] : [vertex.logs[open]!];
  }

  #endOpenLine(vertex: TraceVertex, printed: Printed): void {
    this.#line("");
    printed.openPrinted = 0;
    printed.openLine = undefined;
    printed.tail.push(...vertex.logs);
    if (printed.tail.length > tailLines) printed.tail.shift();
    vertex.logs = [];
    vertex.logOpen = false;
  }

  #ending(vertex: TraceVertex): string {
    if (vertex.error !== "") return isCanceled(vertex) ? "CANCELED" : `ERROR: ${vertex.error}`;
    if (vertex.cached) return "CACHED";
    return `DONE ${coveredSeconds(vertex.intervals, 0n).toFixed(1)}s`;
  }

  #line(text: string | Uint8Array): void {
    this.#text(text, "\n");
  }

  #text(...parts: (string | Uint8Array)[]): void {
    for (const part of parts) this.#out.push(typeof part === "string" ? Buffer.from(part) : part);
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#write(Buffer.concat(this.#out));
    this.#out = [];
  }
}

function byEnd(a: TraceVertex, b: TraceVertex): number {
  const [x, y] = [a.intervals.at(-1)?.stopNs ?? 0n, b.intervals.at(-1)?.stopNs ?? 0n];
  return x < y ? -1 : x > y ? 1 : 0;
}
