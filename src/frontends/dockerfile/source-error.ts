// Errors of the frontend while they travel: the exact sentence, and the lines they are about, one layer for each place that
// added its own. At the frontend's border they become BuildErrors with source spans.
// Counterpart: moby/buildkit frontend/dockerfile/parser/errors.go, util/suggest.

import { isAbort, messageOf } from "../../base/index.ts";
import type { LineSpan } from "../../graph/llb/index.ts";
import { search } from "./suggest.ts";

/** Lines, one span for each line, as BuildKit's locations have it. */
export type Location = readonly LineSpan[];

/** An error whose text is meant for users. */
export class FrontendError extends Error {
  /** Undefined as long as no place is known. */
  locations: Location[] | undefined;

  constructor(message: string, options?: { cause?: unknown; locations?: Location[] | undefined }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FrontendError";
    this.locations = options?.locations;
  }
}

/** The lines `start` to `end` as a location; an `end` before `start` means just `start`. */
export function linesOf(start: number, end: number): Location {
  const lines: LineSpan[] = [];
  for (let line = start; line <= Math.max(start, end); line++) lines.push({ start: line, end: line });
  return lines;
}

function asFrontendError(error: unknown): FrontendError {
  return error instanceof FrontendError ? error : new FrontendError(messageOf(error), { cause: error });
}

/** Adds a layer to the error's locations. Aborts pass untouched. */
export function withLocation(error: unknown, location: Location): unknown {
  if (isAbort(error)) return error;
  const located = asFrontendError(error);
  if (located.locations === undefined) located.locations = [location];
  else located.locations.push(location);
  return located;
}

/** Replaces whatever locations the error has. */
export function setLocation(error: unknown, location: Location): unknown {
  if (isAbort(error)) return error;
  const located = asFrontendError(error);
  located.locations = [location];
  return located;
}

/** `prefix: message`, keeping locations and cause. */
export function wrapError(error: unknown, prefix: string): unknown {
  if (isAbort(error)) return error;
  return reworded(error, `${prefix}: ${messageOf(error)}`);
}

/** The same error with another sentence. */
export function reworded(error: unknown, message: string): FrontendError {
  return new FrontendError(message, { cause: error, locations: asFrontendError(error).locations });
}

/** Appends "(did you mean X?)" when an option is near to `value`. */
export function withSuggestion(
  error: unknown,
  value: string,
  options: readonly string[],
  caseSensitive = true,
): unknown {
  if (isAbort(error)) return error;
  const match = search(value, options, caseSensitive);
  return match === "" ? error : reworded(error, `${messageOf(error)} (did you mean ${match}?)`);
}
