// What is known of a build from its status messages: vertexes in the order they started, their spans of work, statuses, logs and
// warnings; members of a progress group fold into one vertex. Displays read it. Log bytes stay bytes.
// Counterpart: moby/buildkit util/progress/progressui/display.go trace.

import type { control } from "../../formats/proto/index.ts";
import { type Interval, mergeIntervals, nanosOf, secondsBetween } from "./time.ts";

export interface TraceStatus {
  readonly id: string;
  current: bigint;
  total: bigint;
  timestampNs: bigint;
  startedNs: bigint | undefined;
  completedNs: bigint | undefined;
}

export interface TraceVertex {
  readonly digest: string;
  name: string;
  cached: boolean;
  error: string;
  /** By start, so that a later message about the same span replaces the earlier one. */
  readonly spans: Map<bigint, Interval>;
  /** The spans without overlaps, in order. */
  intervals: Interval[];
  readonly statuses: TraceStatus[];
  readonly statusById: Map<string, TraceStatus>;
  /** Statuses that changed since they were last printed. */
  readonly freshStatuses: Set<string>;
  readonly warnings: control.VertexWarning[];
  /** Lines not yet taken by the display, each with its time in front; the last one is open when `logOpen`. */
  logs: Uint8Array[];
  logOpen: boolean;
  /** Messages since the display last turned away from this vertex, and when the first of them came. */
  activity: number;
  activeSinceMs: number;
  /** A group none of whose members counts yet. */
  hidden: boolean;
  /** Belongs to a group and is not shown itself. */
  readonly isGroup: boolean;
}

interface Group {
  readonly vertex: TraceVertex;
  readonly members: Map<string, { cached: boolean; error: string; weak: boolean; span: Interval | undefined }>;
}

export interface TraceOptions {
  readonly nowMs: () => number;
  /** Sees every log message of a vertex before it is cut into lines. */
  readonly onLog?: (vertex: TraceVertex, data: Uint8Array) => void;
}

export class Trace {
  /** Every vertex ever named, groups instead of their members, by digest (members by theirs too). */
  readonly byDigest = new Map<string, TraceVertex>();
  /** Vertexes that started, in that order. */
  readonly started: TraceVertex[] = [];
  /** Vertexes with something new to print. */
  readonly updated = new Set<TraceVertex>();
  readonly warnings: control.VertexWarning[] = [];
  startNs: bigint | undefined;
  readonly #groups = new Map<string, Group>();
  readonly #options: TraceOptions;

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  /** How many steps there are and how many of them are done. */
  counts(): { total: number; completed: number } {
    const shown = [...new Set(this.byDigest.values())].filter(({ hidden }) => !hidden);
    return { total: shown.length, completed: shown.filter(isCompleted).length };
  }

  update(message: control.StatusResponse): void {
    const groups = new Set<Group>();
    for (const vertex of message.vertexes) {
      this.startNs ??= nanosOf(vertex.started);
      if (vertex.progressGroup) groups.add(this.#updateMember(vertex, vertex.progressGroup));
      else this.#updateVertex(vertex);
    }
    for (const group of groups) this.#refreshGroup(group);
    for (const status of message.statuses) this.#updateStatus(status);
    for (const warning of message.warnings) {
      this.warnings.push(warning);
      const vertex = this.byDigest.get(warning.vertex);
      if (!vertex) continue;
      vertex.warnings.push(warning);
      this.#touch(vertex);
    }
    for (const log of message.logs) this.#appendLog(log);
  }

  #updateVertex(message: control.Vertex): void {
    let vertex = this.byDigest.get(message.digest);
    if (!vertex) {
      vertex = newVertex(message.digest, message.name, false);
      this.byDigest.set(message.digest, vertex);
    }
    const span = spanOf(message);
    const wasStarted = isStarted(vertex);
    if (!span && wasStarted) return; // a repeated announcement must not reset what is known
    const changed =
      span !== undefined &&
      (!wasStarted ||
        vertex.name !== message.name ||
        vertex.cached !== message.cached ||
        vertex.error !== message.error ||
        vertex.spans.get(span.startNs)?.stopNs !== span.stopNs ||
        !vertex.spans.has(span.startNs));
    vertex.name = message.name;
    vertex.cached = message.cached;
    vertex.error = message.error;
    if (!span) return;
    vertex.spans.set(span.startNs, span);
    vertex.intervals = mergeIntervals(vertex.spans.values());
    if (!wasStarted) this.started.push(vertex);
    if (changed) {
      this.#touch(vertex);
      this.updated.add(vertex);
    }
  }

  #updateMember(message: control.Vertex, about: NonNullable<control.Vertex["progressGroup"]>): Group {
    let group = this.#groups.get(about.id);
    if (!group) {
      group = { vertex: newVertex(about.id, about.name, true), members: new Map() };
      this.#groups.set(about.id, group);
      this.byDigest.set(about.id, group.vertex);
    }
    group.members.set(message.digest, {
      cached: message.cached,
      error: message.error,
      weak: about.weak,
      span: spanOf(message),
    });
    this.byDigest.set(message.digest, group.vertex);
    return group;
  }

  #refreshGroup({ vertex, members }: Group): void {
    const wasHidden = vertex.hidden;
    let changed = false;
    let cached = true;
    let error = vertex.error;
    for (const member of members.values()) {
      if (member.span) {
        const known = vertex.spans.get(member.span.startNs);
        if (!known || known.stopNs !== member.span.stopNs) changed = true;
        vertex.spans.set(member.span.startNs, member.span);
        if (!member.weak) vertex.hidden = false;
      }
      cached &&= member.cached;
      if (error === "") error = member.error;
      else vertex.hidden = false;
    }
    if (vertex.cached !== cached || vertex.error !== error) changed = true;
    vertex.cached = cached;
    vertex.error = error;
    vertex.intervals = mergeIntervals(vertex.spans.values());
    if (vertex.hidden) return;
    if (wasHidden) this.started.push(vertex);
    if (changed || wasHidden) {
      this.#touch(vertex);
      this.updated.add(vertex);
    }
  }

  #updateStatus(message: control.VertexStatus): void {
    const vertex = this.byDigest.get(message.vertex);
    if (!vertex) return;
    const startedNs = nanosOf(message.started);
    let status = vertex.statusById.get(message.ID);
    if (!status) {
      status = {
        id: message.ID,
        current: 0n,
        total: 0n,
        timestampNs: 0n,
        startedNs: undefined,
        completedNs: undefined,
      };
      vertex.statusById.set(message.ID, status);
    }
    if (startedNs !== undefined && status.startedNs === undefined) vertex.statuses.push(status);
    status.current = message.current;
    status.total = message.total;
    status.timestampNs = nanosOf(message.timestamp) ?? 0n;
    status.startedNs = startedNs;
    status.completedNs = nanosOf(message.completed);
    vertex.freshStatuses.add(message.ID);
    this.updated.add(vertex);
    this.#touch(vertex);
  }

  #appendLog(message: control.VertexLog): void {
    const vertex = this.byDigest.get(message.vertex);
    if (!vertex || message.msg.length === 0) return;
    this.#options.onLog?.(vertex, message.msg);
    const since = vertex.intervals.at(-1)?.startNs;
    const at = nanosOf(message.timestamp);
    const seconds = since === undefined || at === undefined ? 0 : secondsBetween(since, at);
    const stamp = Buffer.from(`${seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1)} `);
    let rest = message.msg;
    while (rest.length > 0) {
      const newline = rest.indexOf(10);
      const piece = newline < 0 ? rest : rest.subarray(0, newline);
      const open = vertex.logOpen ? vertex.logs.pop() : undefined;
      vertex.logs.push(Buffer.concat([open ?? stamp, piece]));
      vertex.logOpen = newline < 0;
      rest = newline < 0 ? rest.subarray(rest.length) : rest.subarray(newline + 1);
    }
    this.updated.add(vertex);
    this.#touch(vertex);
  }

  #touch(vertex: TraceVertex): void {
    if (vertex.activity === 0) vertex.activeSinceMs = this.#options.nowMs();
    vertex.activity++;
  }
}

export function isStarted(vertex: TraceVertex): boolean {
  return vertex.intervals.length > 0;
}

export function isCompleted(vertex: TraceVertex): boolean {
  const last = vertex.intervals.at(-1);
  return last !== undefined && last.stopNs !== undefined;
}

/** Whether the step ended because the build was canceled, not because it failed. */
export function isCanceled(vertex: TraceVertex): boolean {
  return vertex.error.endsWith("context canceled");
}

function spanOf(message: control.Vertex): Interval | undefined {
  const startNs = nanosOf(message.started);
  return startNs === undefined ? undefined : { startNs, stopNs: nanosOf(message.completed) };
}

function newVertex(digest: string, name: string, isGroup: boolean): TraceVertex {
  return {
    digest,
    name,
    cached: false,
    error: "",
    spans: new Map(),
    intervals: [],
    statuses: [],
    statusById: new Map(),
    freshStatuses: new Set(),
    warnings: [],
    logs: [],
    logOpen: false,
    activity: 0,
    activeSinceMs: 0,
    hidden: isGroup,
    isGroup,
  };
}
