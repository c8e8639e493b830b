// The live display: a header, a line for each step with its time, status lines, and the last lines of what running steps say, inside
// the terminal's size. A frame is one write: cursor up over the old frame, every line erased to its end as it is written, so nothing
// flickers. The last frame is printed whole, however long. Counterpart: moby/buildkit progressui/display.go ttyDisplay.

import { amountOf } from "./byte-units.ts";
import type { Colors } from "./colors.ts";
import { clipToWidth, printableLine, textWidth } from "./text-width.ts";
import { coveredSeconds, type Interval } from "./time.ts";
import { isCanceled, isCompleted, type Trace, type TraceVertex } from "./trace.ts";

const tailHeight = 6;
const maxKeptBytes = 16 << 20;

export interface TtyOptions {
  readonly trace: Trace;
  readonly write: (text: string) => void;
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly nowMs: () => number;
  readonly colors: Colors;
  /** Printable lines of a step's tail. Defaults to 6. */
  readonly tailLines?: number;
}

/** A line of a frame before it is fitted to the width. */
interface Row {
  readonly text: string;
  readonly amount: string;
  readonly intervals: readonly Interval[];
  readonly done: boolean;
  readonly paint: ((text: string) => string) | undefined;
  /** The step whose tail may be shown under the row. */
  readonly vertex: TraceVertex | undefined;
}

interface Kept {
  lines: Uint8Array[];
  bytes: number;
  /** Lines left out of a failed step's block because it said too much. */
  left: number;
}

export class TtyPrinter {
  readonly #options: TtyOptions;
  readonly #kept = new Map<TraceVertex, Kept>();
  #phase = "Building";
  /** Widths of the lines of the frame on the screen. */
  #onScreen: number[] = [];
  #offsetNs: bigint | undefined;

  constructor(options: TtyOptions) {
    this.#options = options;
  }

  set phase(phase: string) {
    this.#phase = phase;
  }

  /** Draws the present state over the last frame. */
  draw(last: boolean): void {
    const { columns, rows } = this.#options.size();
    this.#keepLogs();
    if (rows < 2 && !last) return; // there is no row to come back to
    const lines = this.#frame(columns, rows, last);
    const up = this.#onScreen.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    let out = "\u001b[?2026h\u001b[?25l";
    if (up > 0) out += `\u001b[${up}A`;
    out += "\r";
    for (const { text } of lines) out += `${text}\u001b[K\n`;
    out += "\u001b[J\u001b[?25h\u001b[?2026l";
    this.#onScreen = last ? [] : lines.map(({ width }) => width);
    this.#options.write(out);
  }

  /** The blocks about failed steps: everything they said. */
  printFailures(): void {
    this.#keepLogs();
    for (const vertex of this.#options.trace.started) {
      if (vertex.error === "" || isCanceled(vertex)) continue;
      const kept = this.#kept.get(vertex);
      const parts = ["------\n", ` > ${vertex.name}:\n`];
      if (kept && kept.left > 0) parts.push(`[${kept.left} earlier lines are not shown here]\n`);
      for (const line of kept?.lines ?? []) parts.push(Buffer.from(line).toString("utf8"), "\n");
      this.#options.write(`${parts.join("")}------\n`);
    }
  }

  #frame(columns: number, rows: number, last: boolean): { text: string; width: number }[] {
    const { trace, nowMs, colors } = this.#options;
    const nowNs = BigInt(Math.round(nowMs() * 1e6));
    if (this.#offsetNs === undefined && trace.startNs !== undefined) this.#offsetNs = nowNs - trace.startNs;
    // Times come from the builder's clock; ours is set to it once, at the first start.
    const builderNs = nowNs - (this.#offsetNs ?? 0n);
    const { total, completed } = trace.counts();
    const elapsed = trace.startNs === undefined ? 0 : Math.max(0, Number(builderNs - trace.startNs) / 1e9);
    const finished = last && completed > 0 && completed === total ? " FINISHED" : "";
    const header = clipToWidth(
      `[+] ${this.#phase} ${elapsed.toFixed(1)}s (${completed}/${total})${finished}`,
      columns - 1,
    );
    const lines = [{ text: header, width: textWidth(header) }];

    let list = trace.started.flatMap((vertex) => this.#rows(vertex));
    const tails = last ? new Set<TraceVertex>() : this.#chooseTails(list, rows);
    if (!last) {
      const hidden = [...tails].reduce((sum, vertex) => sum + this.#tail(vertex).length, 0);
      list = fitHeight(list, rows - 2 - hidden);
    }
    for (const row of list) {
      const fitted = fitWidth(row, columns, coveredSeconds(row.intervals, builderNs));
      if (fitted === undefined) continue;
      lines.push({ text: row.paint ? row.paint(fitted) : fitted, width: textWidth(fitted) });
      if (!row.vertex || !tails.has(row.vertex)) continue;
      for (const line of this.#tail(row.vertex)) {
        const clipped = clipToWidth(` => => # ${line}`, columns - 1);
        lines.push({ text: colors.faint(clipped), width: textWidth(clipped) });
      }
    }
    return lines;
  }

  #rows(vertex: TraceVertex): Row[] {
    const { colors } = this.#options;
    const done = isCompleted(vertex);
    let name = printableLine(vertex.name.replaceAll("\t", " "));
    let paint = done ? colors.run : undefined;
    if (vertex.error !== "") {
      name = `${isCanceled(vertex) ? "CANCELED" : "ERROR"} ${name}`;
      if (done) paint = isCanceled(vertex) ? colors.cancel : colors.error;
    }
    if (vertex.cached) name = `CACHED ${name}`;
    const rows: Row[] = [{ text: name, amount: "", intervals: vertex.intervals, done, paint, vertex }];
    for (const status of vertex.statuses) {
      const statusDone = status.completedNs !== undefined;
      rows.push({
        text: `=> ${printableLine(status.id)}`,
        amount: amountOf(status.current, status.total).trimStart(),
        intervals: status.startedNs === undefined ? [] : [{ startNs: status.startedNs, stopNs: status.completedNs }],
        done: statusDone,
        paint: statusDone ? colors.run : undefined,
        vertex: undefined,
      });
    }
    for (const warning of vertex.warnings) {
      const text = `WARN: ${printableLine(Buffer.from(warning.short).toString("utf8"))}`;
      rows.push({
        text,
        amount: "",
        intervals: vertex.intervals.slice(-1),
        done: true,
        paint: colors.warning,
        vertex: undefined,
      });
    }
    return rows;
  }

  /** Running steps whose last lines fit, those that said most first. */
  #chooseTails(list: readonly Row[], rows: number): Set<TraceVertex> {
    const running = list.filter(({ done }) => !done);
    let free = rows - 2 - running.length;
    const need = this.#tailLines(rows) + 3;
    const chosen = new Set<TraceVertex>();
    const talkers = running.filter(({ vertex }) => vertex && (this.#kept.get(vertex)?.bytes ?? 0) > 0);
    for (const { vertex } of talkers.toSorted(
      (a, b) => this.#kept.get(b.vertex!)!.bytes - this.#kept.get(a.vertex!)!.bytes,
    )) {
      if (free <= need) break;
      chosen.add(vertex!);
      free -= need;
    }
    return chosen;
  }

  #tailLines(rows: number): number {
    return Math.min(this.#options.tailLines ?? tailHeight, Math.max(1, rows - tailHeight - 1));
  }

  #tail(vertex: TraceVertex): string[] {
    const { rows } = this.#options.size();
    const lines = [...(this.#kept.get(vertex)?.lines ?? []), ...(vertex.logOpen ? vertex.logs : [])];
    return lines
      .slice(-this.#tailLines(rows) * 2)
      .map((line) => printableLine(withoutStamp(line)))
      .filter((line) => line.trim() !== "")
      .slice(-this.#tailLines(rows));
  }

  /** Takes finished lines out of the trace; what a step said is kept until it ends well. */
  #keepLogs(): void {
    for (const vertex of this.#options.trace.updated) {
      const ended = isCompleted(vertex);
      if (ended && vertex.error === "") {
        this.#kept.delete(vertex);
        vertex.logs = [];
        vertex.logOpen = false;
        continue;
      }
      const open = vertex.logOpen && !ended ? vertex.logs.pop() : undefined;
      const kept = this.#kept.get(vertex) ?? { lines: [], bytes: 0, left: 0 };
      for (const line of vertex.logs) {
        kept.lines.push(line);
        kept.bytes += line.length;
      }
      let drop = 0;
      for (let bytes = kept.bytes; bytes > maxKeptBytes; drop++) bytes -= kept.lines[drop]!.length;
      if (drop > 0) {
        for (const line of kept.lines.splice(0, drop)) kept.bytes -= line.length;
        kept.left += drop;
      }
      if (kept.lines.length > 0) this.#kept.set(vertex, kept);
      vertex.logs = open ? [open] : [];
      if (ended) vertex.logOpen = false;
    }
    this.#options.trace.updated.clear();
  }
}

function withoutStamp(line: Uint8Array): string {
  const space = line.indexOf(32);
  return Buffer.from(line.subarray(space + 1)).toString("utf8");
}

/** ` => name        1.2s`, exactly as wide as the terminal less one; undefined when there is no room for a name. */
function fitWidth(row: Row, columns: number, seconds: number): string | undefined {
  if (row.intervals.length === 0) return undefined;
  const timer = ` ${(seconds < 0.05 ? 0 : seconds).toFixed(1)}s`;
  const prefix = " => ";
  let left = columns - 1 - prefix.length - timer.length;
  let amount = "";
  if (row.amount !== "" && left - row.amount.length - 1 > 12) {
    amount = ` ${row.amount}`;
    left -= amount.length;
  }
  if (left < 12) return undefined;
  const name = clipToWidth(row.text, left);
  return `${prefix}${name}${amount}${" ".repeat(left - textWidth(name))}${timer}`;
}

/** The newest rows that fit; running ones that would fall off take the place of finished ones. */
function fitHeight(list: readonly Row[], limit: number): Row[] {
  if (limit <= 0) return [];
  if (list.length <= limit) return [...list];
  const cut = list.length - limit;
  const lost = list.slice(0, cut).filter(({ done }) => !done);
  const kept = list.slice(cut);
  let toFree = lost.length;
  const rest = kept.filter(({ done }) => {
    if (!done || toFree <= 0) return true;
    toFree--;
    return false;
  });
  const freed = kept.length - rest.length;
  return [...lost.slice(lost.length - freed), ...rest];
}
