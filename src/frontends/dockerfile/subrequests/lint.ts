// The subrequest `frontend.lint`: every violation as data and as text, without building.
// Counterpart: moby/buildkit frontend/subrequests/lint.

import { isAbort, messageOf } from "../../../base/index.ts";
import type { LineSpan } from "../../../graph/llb/index.ts";
import type { BuildClient, Entrypoint } from "../context/client.ts";
import { convert } from "../convert/convert.ts";
import type { LintWarning } from "../lint/linter.ts";
import { FrontendError } from "../source-error.ts";
import { indentedJson, rangesJson, sourceInfoJson } from "./json.ts";
import { printExcerpt } from "./excerpt.ts";

/** Lints a Dockerfile; without a target all stages are looked at. Answers are result keys with their bytes. */
export async function lintSubrequest(
  client: BuildClient,
  entrypoint: Entrypoint,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const warnings: LintWarning[] = [];
  let problem: { message: string; ranges: LineSpan[] } | undefined;
  try {
    const warn = (warning: LintWarning) => void warnings.push(warning);
    const allStages = client.config.target === "";
    await convert({ client, file: entrypoint.file, targetPlatform: undefined, warn, allStages }, signal);
  } catch (error) {
    if (isAbort(error)) throw error;
    const locations = error instanceof FrontendError ? (error.locations ?? []) : [];
    problem = { message: messageOf(error), ranges: mergeRanges(locations.flat()) };
  }
  const json = indentedJson({
    warnings: warnings.length === 0 ? null : warnings.map(warningJson),
    sources: [sourceInfoJson(entrypoint.file)],
    ...(problem === undefined
      ? {}
      : { buildError: { message: problem.message, location: { ranges: rangesJson(problem.ranges) } } }),
  });
  return new Map([
    ["result.json", json],
    [
      "result.txt",
      warnings
        .toSorted(byFirstLine)
        .map((warning) => printWarning(warning, entrypoint))
        .join(""),
    ],
    ["result.statuscode", warnings.length > 0 || problem !== undefined ? "1" : "0"],
    ["version", "1.0.0"],
  ]);
}

function warningJson(warning: LintWarning): unknown {
  return {
    ruleName: warning.rule,
    description: warning.description,
    ...(warning.url === "" ? {} : { url: warning.url }),
    detail: warning.message,
    location: warning.location.length === 0 ? {} : { ranges: rangesJson(warning.location) },
  };
}

function byFirstLine(a: LintWarning, b: LintWarning): number {
  return (a.location[0]?.start ?? 0) - (b.location[0]?.start ?? 0);
}

function printWarning(warning: LintWarning, { file }: Entrypoint): string {
  const url = warning.url === "" ? "" : ` - ${warning.url}`;
  return `\nWARNING: ${warning.rule}${url}\n${warning.message}\n${printExcerpt(file, warning.location)}`;
}

// Overlapping spans become one; neighbours stay apart.
function mergeRanges(ranges: readonly LineSpan[]): LineSpan[] {
  const merged: { start: number; end: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}
