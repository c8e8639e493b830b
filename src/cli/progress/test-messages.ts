// Status messages for tests: from rawjson lines, or made by hand with times in seconds; a clock that tests move; a small model of a
// terminal.

import { create } from "@bufbuild/protobuf";
import { control } from "../../formats/proto/index.ts";
import type { Clock } from "./display.ts";

type Timestamp = { seconds: bigint; nanos: number };

const epoch = 1_700_000_000;

/** Seconds after the tests' epoch as a message has them. */
function at(seconds: number): Timestamp {
  const nanos = Math.round(seconds * 1e9);
  return { seconds: BigInt(epoch + Math.floor(nanos / 1e9)), nanos: nanos % 1e9 };
}

export interface VertexFields {
  readonly started?: number;
  readonly completed?: number;
  readonly cached?: boolean;
  readonly error?: string;
  readonly group?: { id: string; name: string; weak?: boolean };
}

/** A message about one vertex; its digest is its name's first word. */
export function vertex(
  name: string,
  { started, completed, group, ...rest }: VertexFields = {},
): control.StatusResponse {
  return create(control.StatusResponseSchema, {
    vertexes: [
      {
        digest: digestOf(name),
        name,
        ...rest,
        ...(started === undefined ? {} : { started: at(started) }),
        ...(completed === undefined ? {} : { completed: at(completed) }),
        ...(group === undefined ? {} : { progressGroup: group }),
      },
    ],
  });
}

export function log(name: string, seconds: number, text: string): control.StatusResponse {
  return create(control.StatusResponseSchema, {
    logs: [{ vertex: digestOf(name), stream: 1n, msg: Buffer.from(text), timestamp: at(seconds) }],
  });
}

export function status(
  name: string,
  id: string,
  {
    current = 0,
    total = 0,
    started,
    completed,
    now,
  }: { current?: number; total?: number; started: number; completed?: number; now: number },
): control.StatusResponse {
  return create(control.StatusResponseSchema, {
    statuses: [
      {
        ID: id,
        vertex: digestOf(name),
        current: BigInt(current),
        total: BigInt(total),
        timestamp: at(now),
        started: at(started),
        ...(completed === undefined ? {} : { completed: at(completed) }),
      },
    ],
  });
}

export function warning(name: string, short: string): control.StatusResponse {
  return create(control.StatusResponseSchema, {
    warnings: [
      {
        vertex: digestOf(name),
        level: 1n,
        short: Buffer.from(short),
        detail: [Buffer.from("what to do")],
        url: "https://example.com/rule",
        info: { filename: "Dockerfile", data: Buffer.from("FROM scratch\nMAINTAINER me\n"), language: "Dockerfile" },
        ranges: [{ start: { line: 2 }, end: { line: 2 } }],
      },
    ],
  });
}

function digestOf(name: string): string {
  return `sha256:${name.split(" ")[0]}`;
}

interface JsonStatus {
  readonly vertexes?: readonly Record<string, unknown>[];
  readonly statuses?: readonly Record<string, unknown>[];
}

/** Messages of a rawjson file, which holds vertexes and statuses only. */
export function messagesOf(rawJson: string): control.StatusResponse[] {
  const times = (fields: Record<string, unknown>) =>
    Object.fromEntries(
      ["started", "completed", "timestamp"]
        .filter((key) => fields[key] !== undefined)
        .map((key) => [key, parseTime(fields[key] as string)]),
    );
  return rawJson
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { vertexes = [], statuses = [] } = JSON.parse(line) as JsonStatus;
      return create(control.StatusResponseSchema, {
        vertexes: vertexes.map((fields) => ({ ...fields, ...times(fields) })),
        statuses: statuses.map(({ id, current, total, ...fields }) => ({
          ...fields,
          ...times(fields),
          ID: id as string,
          current: BigInt((current as number | undefined) ?? 0),
          total: BigInt((total as number | undefined) ?? 0),
        })),
      });
    });
}

function parseTime(text: string): Timestamp {
  const match = /^(.*?)(?:\.(\d+))?Z$/.exec(text)!;
  return { seconds: BigInt(Date.parse(`${match[1]}Z`) / 1000), nanos: Number((match[2] ?? "").padEnd(9, "0")) };
}

/** Milliseconds of the latest time in a message, or undefined. */
export function latestMs(message: control.StatusResponse): number | undefined {
  const times = [
    ...message.vertexes.flatMap(({ started, completed }) => [started, completed]),
    ...message.statuses.flatMap(({ timestamp }) => [timestamp]),
    ...message.logs.flatMap(({ timestamp }) => [timestamp]),
  ].flatMap((time) => (time ? [Number(time.seconds) * 1000 + time.nanos / 1e6] : []));
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A clock that stands until it is moved; what falls due on the way is called in order. */
export class TestClock implements Clock {
  #nowMs = epoch * 1000;
  readonly #due = new Set<{ readonly atMs: number; readonly call: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, call };
    this.#due.add(entry);
    return () => this.#due.delete(entry);
  }

  moveTo(ms: number): void {
    for (;;) {
      const next = [...this.#due].filter(({ atMs }) => atMs <= ms).toSorted((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#due.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.call();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  /** Seconds after the tests' epoch. */
  moveToSeconds(seconds: number): void {
    this.moveTo((epoch + seconds) * 1000);
  }
}

/** A stream that keeps what is written. */
export function collector(): NodeJS.WritableStream & { text(): string } {
  const chunks: Buffer[] = [];
  const stream = {
    write(chunk: string | Uint8Array) {
      chunks.push(Buffer.from(chunk as string));
      return true;
    },
    on: () => stream,
    removeListener: () => stream,
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
  return stream as unknown as NodeJS.WritableStream & { text(): string };
}

/**
 * A terminal of fixed size: keeps every row ever shown, the cursor only reaches those on the screen. Understands what the live display
 * uses and throws for anything else. Writing past the last column is an error: the display must never wrap.
 */
export class Screen {
  readonly columns: number;
  readonly rows: number;
  readonly #lines: string[] = [""];
  #row = 0;
  #column = 0;
  /** Escape sequences about colour that were seen. */
  readonly styles: string[] = [];

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    // oxlint-disable-next-line no-control-regex
    const token = /\u001b\[(\??)([\d;]*)([A-Za-z])|\n|\r|[^\u001b\n\r]/gu;
    for (const [whole, , parameter = "", command] of text.matchAll(token)) {
      if (command !== undefined) this.#escape(whole, Number(parameter || "1"), command);
      else if (whole === "\n") this.#newline();
      else if (whole === "\r") this.#column = 0;
      else this.#put(whole);
    }
  }

  /** Every line, trailing spaces cut, the empty ones at the end too. */
  text(): string {
    return this.#lines
      .map((line) => line.trimEnd())
      .join("\n")
      .trimEnd();
  }

  #escape(whole: string, count: number, command: string): void {
    const line = this.#lines[this.#row]!;
    if (command === "A") {
      const top = Math.max(0, this.#lines.length - this.rows);
      if (this.#row - count < top) throw new Error(`cursor up ${count} from row ${this.#row} leaves the screen`);
      this.#row -= count;
    } else if (command === "K") this.#lines[this.#row] = line.slice(0, this.#column);
    else if (command === "J") {
      this.#lines[this.#row] = line.slice(0, this.#column);
      this.#lines.length = this.#row + 1;
    } else if (command === "m") this.styles.push(whole);
    else if (command !== "h" && command !== "l") throw new Error(`unexpected escape ${JSON.stringify(whole)}`);
  }

  #newline(): void {
    this.#row++;
    this.#column = 0;
    if (this.#row === this.#lines.length) this.#lines.push("");
  }

  #put(char: string): void {
    if (this.#column >= this.columns) throw new Error(`row ${this.#row} is wider than the terminal`);
    const line = this.#lines[this.#row]!;
    this.#lines[this.#row] = line.slice(0, this.#column).padEnd(this.#column) + char + line.slice(this.#column + 1);
    this.#column++;
  }
}
