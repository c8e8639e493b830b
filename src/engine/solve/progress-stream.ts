// From the solver's events to the Control service's status messages, and every byte of every step's output to a log on disk,
// whole and unclipped. Counterpart: moby/buildkit solver/progress.go.

import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { isAbort, messageOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import { control } from "../../formats/proto/index.ts";
import type { ProgressSink, StatusUpdate, Vertex, VertexEvent, VertexWarning } from "../../graph/solver/index.ts";

type StatusInit = MessageInitShape<typeof control.StatusResponseSchema>;

export interface ProgressStreamOptions {
  readonly onStatus: (status: control.StatusResponse) => void;
  /** Folder for the logs of steps; made when the first one writes. */
  readonly logDir: string;
  readonly now?: () => number;
}

/** A step that is not part of the graph: loading a Dockerfile's metadata, exporting. */
export interface InternalStep {
  readonly digest: Digest;
  status(id: string, update: StatusUpdate): void;
  completed(error?: unknown): void;
}

export class ProgressStream implements ProgressSink, Disposable {
  readonly #options: ProgressStreamOptions;
  readonly #started = new Map<string, number>();
  readonly #statusStarted = new Map<string, number>();
  readonly #logs = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly #unkept = new Set<string>();

  constructor(options: ProgressStreamOptions) {
    this.#options = options;
  }

  vertex(event: VertexEvent): void {
    const { vertex } = event;
    const now = this.#now();
    this.#names.set(vertex.digest, vertex.name);
    if (event.kind === "started" || !this.#started.has(vertex.digest)) this.#started.set(vertex.digest, now);
    const started = event.kind === "known" ? {} : { started: timestampFromMs(this.#started.get(vertex.digest)!) };
    const ended = event.kind === "known" || event.kind === "started" ? {} : { completed: timestampFromMs(now) };
    if (event.kind === "known") this.#started.delete(vertex.digest);
    this.#send({
      vertexes: [
        {
          ...describe(vertex),
          ...started,
          ...ended,
          cached: event.kind === "cached",
          error: event.kind === "failed" ? (isAbort(event.error) ? "context canceled" : messageOf(event.error)) : "",
        },
      ],
    });
  }

  log(vertex: Digest, stream: 1 | 2, data: Uint8Array): void {
    this.#keep(vertex, data);
    this.#send({ logs: [{ vertex, stream: BigInt(stream), msg: data, timestamp: timestampFromMs(this.#now()) }] });
  }

  status(vertex: Digest, id: string, update: StatusUpdate): void {
    const now = this.#now();
    const key = `${vertex} ${id}`;
    if (!this.#statusStarted.has(key)) this.#statusStarted.set(key, now);
    this.#send({
      statuses: [
        {
          ID: id,
          vertex,
          current: BigInt(update.current ?? 0),
          total: BigInt(update.total ?? 0),
          timestamp: timestampFromMs(now),
          started: timestampFromMs(this.#statusStarted.get(key)!),
          ...(update.completed ? { completed: timestampFromMs(now) } : {}),
        },
      ],
    });
  }

  warn(vertex: Digest, warning: VertexWarning, source?: { info: pb.SourceInfo; ranges: pb.Range[] }): void {
    const text = new TextEncoder();
    this.#send({
      warnings: [
        {
          vertex,
          level: BigInt(warning.level),
          short: text.encode(warning.short),
          detail: warning.detail.map((line) => text.encode(line)),
          url: warning.url,
          ...(source === undefined ? {} : { info: source.info, ranges: source.ranges }),
        },
      ],
    });
  }

  /** Starts a step outside the graph. */
  internal(digest: Digest, name: string): InternalStep {
    const started = timestampFromMs(this.#now());
    this.#send({ vertexes: [{ digest, name, started }] });
    return {
      digest,
      status: (id, update) => this.status(digest, id, update),
      completed: (error) => {
        const text = error === undefined ? "" : isAbort(error) ? "context canceled" : messageOf(error);
        this.#send({ vertexes: [{ digest, name, started, completed: timestampFromMs(this.#now()), error: text }] });
      },
    };
  }

  /** Closes the logs. */
  [Symbol.dispose](): void {
    for (const fd of this.#logs.values()) closeSync(fd);
    this.#logs.clear();
  }

  /** A log that can't be written, on a full disk for one, is given up: what ends the build is the step's own failure. */
  #keep(vertex: Digest, data: Uint8Array): void {
    if (this.#unkept.has(vertex)) return;
    try {
      let fd = this.#logs.get(vertex);
      if (fd === undefined) {
        mkdirSync(this.#options.logDir, { recursive: true, mode: 0o700 });
        const name = `${vertex.slice("sha256:".length, "sha256:".length + 16)}.log`;
        fd = openSync(join(this.#options.logDir, name), "a", 0o600);
        this.#logs.set(vertex, fd);
        writeFileSync(fd, `# ${this.#names.get(vertex) ?? vertex}\n`);
      }
      writeFileSync(fd, data);
    } catch (error) {
      this.#unkept.add(vertex);
      const short = `the log of this step is not kept in ${this.#options.logDir}: ${messageOf(error)}`;
      this.warn(vertex, { level: 1, short, detail: [], url: "" });
    }
  }

  #send(init: StatusInit): void {
    this.#options.onStatus(create(control.StatusResponseSchema, init));
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

function describe(vertex: Vertex) {
  const group = vertex.options.progressGroup;
  return {
    digest: vertex.digest,
    name: vertex.name,
    inputs: vertex.inputs.map((input) => input.vertex.digest),
    ...(group === undefined ? {} : { progressGroup: group }),
  };
}
