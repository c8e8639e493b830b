// The one error class that users may see. Facts are fields; the sentence is made from them once. Secrets never enter: URL
// user-info and authorization values are cut out in the constructor. A broken invariant throws a plain Error instead.
// Counterpart: moby/buildkit solver/errdefs, util/grpcerrors.

/** gRPC status names; `status` of a {@link BuildError} decides what a remote client is told. */
export type Status =
  | "Canceled"
  | "Unknown"
  | "InvalidArgument"
  | "DeadlineExceeded"
  | "NotFound"
  | "AlreadyExists"
  | "PermissionDenied"
  | "ResourceExhausted"
  | "FailedPrecondition"
  | "Aborted"
  | "OutOfRange"
  | "Unimplemented"
  | "Internal"
  | "Unavailable"
  | "DataLoss"
  | "Unauthenticated";

/** A span of source lines, both 1-based and inclusive. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** Where in a user's file an error comes from: the file, its whole text, and the spans to point at. */
export interface SourceSpan {
  readonly filename: string;
  readonly language: string;
  readonly text: Uint8Array;
  readonly ranges: readonly LineRange[];
}

export interface BuildErrorOptions {
  /** Stable, upper-snake identifier; decide by this, never by text. */
  readonly code: string;
  /** Defaults to "Unknown". */
  readonly status?: Status;
  /** What the user can do about it: one sentence, no trailing newline. */
  readonly hint?: string;
  /** Digest of the vertex that failed. */
  readonly vertex?: string;
  readonly sources?: readonly SourceSpan[];
  /** True when the same call may succeed later without a change by the user. Defaults to false. */
  readonly retryable?: boolean;
  readonly exitCode?: number;
  readonly cause?: unknown;
}

/** An error that a user can reach. Recognised with {@link isBuildError}, decided by `code`. */
export class BuildError extends Error {
  readonly code: string;
  readonly status: Status;
  readonly hint: string | undefined;
  readonly vertex: string | undefined;
  readonly sources: readonly SourceSpan[];
  readonly retryable: boolean;
  /** Exit code of the process that failed, where one did. */
  readonly exitCode: number | undefined;

  constructor(message: string, options: BuildErrorOptions) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "BuildError";
    this.code = options.code;
    this.status = options.status ?? "Unknown";
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.vertex = options.vertex;
    this.sources = options.sources ?? [];
    this.retryable = options.retryable ?? false;
    this.exitCode = options.exitCode;
  }

  /** The same error with more facts; the receiver is left alone and becomes the cause. */
  with(facts: { vertex?: string; sources?: readonly SourceSpan[]; hint?: string }): BuildError {
    const vertex = this.vertex ?? facts.vertex;
    const hint = this.hint ?? facts.hint;
    return new BuildError(this.message, {
      code: this.code,
      status: this.status,
      sources: this.sources.length > 0 ? this.sources : (facts.sources ?? []),
      retryable: this.retryable,
      cause: this,
      ...(vertex === undefined ? {} : { vertex }),
      ...(hint === undefined ? {} : { hint }),
      ...(this.exitCode === undefined ? {} : { exitCode: this.exitCode }),
    });
  }
}

/** Whether `error` is a {@link BuildError}, by shape, so that errors from another realm or copy count too. */
export function isBuildError(error: unknown): error is BuildError {
  return (
    error instanceof Error && error.name === "BuildError" && typeof (error as { code?: unknown }).code === "string"
  );
}

/** Whether `error` is what an aborted signal rejects with. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || (isBuildError(error) && error.code === "CANCELED"));
}

/** Cuts user-info out of URLs and the values out of authorization headers. */
export function redact(text: string): string {
  return (
    text
      // The look-behind keeps this linear on long runs of letters.
      .replace(/((?<![a-z0-9+.-])[a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, "$1xxxxx@")
      .replace(/\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}/gi, "$1 xxxxx")
  );
}

/** The errno name ("ENOENT") of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
