// What crosses the border between the main thread and a worker, and how errors survive it: structured clone keeps neither a
// class nor extra fields, so an error travels as plain facts and is rebuilt on the other side.

import { BuildError, isBuildError, type Status } from "../../base/index.ts";

export interface RunMessage {
  readonly id: number;
  readonly job: string;
  readonly input: unknown;
  /** One int: not zero once the caller has aborted. */
  readonly abortFlag: SharedArrayBuffer;
}

export type ReplyMessage =
  /** The first: its modules are loaded. */
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly output: unknown }
  | { readonly kind: "progress"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: ErrorFacts };

/** An error as plain data. */
export interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: ErrorFacts | undefined;
}

const PLAIN_FIELDS = ["code", "errno", "syscall", "path", "dest", "status", "hint", "vertex", "retryable", "exitCode"];
const MAX_CAUSES = 8;

/** Takes an error apart; anything thrown that is no Error becomes one. */
export function errorToFacts(error: unknown, depth = 0): ErrorFacts {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), stack: undefined, fields: {}, cause: undefined };
  }
  const fields: Record<string, unknown> = {};
  for (const name of PLAIN_FIELDS) {
    const value = (error as unknown as Record<string, unknown>)[name];
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") fields[name] = value;
  }
  const cause = error.cause === undefined || depth >= MAX_CAUSES ? undefined : errorToFacts(error.cause, depth + 1);
  return { name: error.name, message: error.message, stack: error.stack, fields, cause };
}

/** Builds the error again; a BuildError comes back as one. */
export function errorFromFacts(facts: ErrorFacts): Error {
  const cause = facts.cause === undefined ? undefined : errorFromFacts(facts.cause);
  const error = facts.name === "BuildError" ? buildError(facts, cause) : new Error(facts.message, { cause });
  if (cause === undefined) delete error.cause;
  if (facts.stack !== undefined) error.stack = facts.stack;
  if (!isBuildError(error)) {
    if (facts.name !== "Error") Object.defineProperty(error, "name", { value: facts.name, configurable: true });
    Object.assign(error, facts.fields);
  }
  return error;
}

function buildError(facts: ErrorFacts, cause: Error | undefined): BuildError {
  const { code, status, hint, vertex, retryable, exitCode } = facts.fields as {
    code: string;
    status: Status;
    hint?: string;
    vertex?: string;
    retryable?: boolean;
    exitCode?: number;
  };
  return new BuildError(facts.message, {
    code,
    status,
    ...(hint === undefined ? {} : { hint }),
    ...(vertex === undefined ? {} : { vertex }),
    ...(retryable === undefined ? {} : { retryable }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause }),
  });
}
