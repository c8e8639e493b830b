// `--call` and `--check`: a question that the frontend answers instead of building, and how the answer is printed.
// Counterpart: docker/buildx util/buildflags/callfunc.go, commands/build.go printResult; moby/buildkit frontend/subrequests/lint.

import type { ExporterResponse } from "../service/builders/index.ts";
import { parseCsv } from "./csv.ts";
import { goBool, type FlagValues } from "./flags.ts";
import { sourceExcerpt } from "./progress/index.ts";

/** A question to the frontend. */
export interface Call {
  /** `lint`, `outline`, `targets`, `subrequests.describe`, or any other subrequest's name behind `frontend.`. */
  readonly name: string;
  /** `json`, or anything else for text. */
  readonly format: string;
  /** The answer's status does not become the exit code. */
  readonly ignoreStatus: boolean;
}

/** What `--call` and `--check` ask for; undefined for a plain build. @throws Error in buildx's words. */
export function callOf(flags: FlagValues): Call | undefined {
  return parseCall(flags.bool("check") ? "check" : flags.string("call"));
}

/** Reads `NAME[,format=json|text][,ignorestatus=BOOL]`; undefined for a plain build. @throws Error in buildx's words. */
export function parseCall(text: string): Call | undefined {
  if (text === "") return undefined;
  let [name, format, ignoreStatus] = ["", "", false];
  for (const field of parseCsv(text)) {
    const at = field.indexOf("=");
    if (at < 0) {
      if (name !== "") throw new Error(`invalid print value: ${text}`);
      name = field;
      continue;
    }
    const [key, value] = [field.slice(0, at), field.slice(at + 1)];
    if (key === "format") format = value;
    else if (key === "ignorestatus") {
      const parsed = goBool(value);
      if (parsed === undefined) {
        throw new Error(
          `invalid ignorestatus print value: ${value}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
        );
      }
      ignoreStatus = parsed;
    } else throw new Error(`invalid print field: ${field}`);
  }
  if (name === "check") name = "lint";
  return name === "build" ? undefined : { name, format, ignoreStatus };
}

/** What an answer comes to: text for stdout, then an error's text for stderr if there is one, and the exit code. */
export interface PrintedAnswer {
  readonly stdout: string;
  readonly error: string | undefined;
  readonly exitCode: number;
  /** Where to read on, for stderr: buildx prints no such line on stdout. */
  readonly hint?: string;
}

/** Prints an answer. `filename` is what the user calls the Dockerfile; undefined keeps the frontend's name for it. */
export function printAnswer(call: Call, response: ExporterResponse, filename: string | undefined): PrintedAnswer {
  const json = response["result.json"] ?? "";
  const asJson = call.format === "json";
  const status = call.ignoreStatus ? 0 : Math.trunc(Number(response["result.statuscode"] ?? "0")) || 0;
  if (call.name === "lint") {
    const results = parseLint(json);
    const stdout = asJson ? `${json}\n` : lintText(results, filename);
    const error = results.buildError === undefined ? undefined : buildErrorText(results, results.buildError, filename);
    const pages = [...new Set((results.warnings ?? []).map(({ ruleName }) => `docs/rules/${ruleName}.md`))];
    return {
      stdout,
      error,
      exitCode: error === undefined ? status : 1,
      ...(asJson || pages.length === 0 ? {} : { hint: `what the rules are about: ${pages.join(", ")}` }),
    };
  }
  if (asJson && response["result.json"] !== undefined)
    return { stdout: `${json}\n`, error: undefined, exitCode: status };
  return { stdout: response["result.txt"] ?? "", error: undefined, exitCode: status };
}

interface Location {
  readonly sourceIndex?: number;
  readonly ranges?: readonly {
    readonly start?: { readonly line?: number };
    readonly end?: { readonly line?: number };
  }[];
}

interface LintResults {
  readonly warnings: readonly { ruleName: string; url?: string; detail?: string; location?: Location }[] | null;
  readonly sources: readonly { filename?: string; data?: string }[];
  readonly buildError?: { readonly message: string; readonly location?: Location };
}

function parseLint(json: string): LintResults {
  return json === "" ? { warnings: null, sources: [] } : (JSON.parse(json) as LintResults);
}

function lintText(results: LintResults, filename: string | undefined): string {
  const warnings = results.warnings ?? [];
  if (warnings.length === 0) return results.buildError === undefined ? "Check complete, no warnings found.\n" : "";
  const count = warnings.length === 1 ? "1 warning has been found!" : `${warnings.length} warnings have been found!`;
  const firstLine = ({ location }: { location?: Location }) => location?.ranges?.[0]?.start?.line ?? 0;
  const blocks = warnings
    .toSorted((a, b) => firstLine(a) - firstLine(b) || (firstLine(a) === 0 && a.ruleName < b.ruleName ? -1 : 0))
    .map(({ ruleName, url = "", detail = "", location }) => {
      const link = url === "" ? "" : ` - ${url}`;
      return `\nWARNING: ${ruleName}${link}\n${detail}\n${excerptOf(results, location, filename)}`;
    });
  // An error follows on stderr, a blank line apart.
  return `Check complete, ${count}\n${blocks.join("")}${results.buildError === undefined ? "" : "\n"}`;
}

function buildErrorText(
  results: LintResults,
  { message, location }: NonNullable<LintResults["buildError"]>,
  filename: string | undefined,
): string {
  return `${message}\n${excerptOf(results, location, filename)}`;
}

function excerptOf({ sources }: LintResults, location: Location | undefined, filename: string | undefined): string {
  const source = sources[location?.sourceIndex ?? 0];
  if (source === undefined) return "";
  return sourceExcerpt({
    filename: filename ?? source.filename ?? "",
    language: "",
    text: Buffer.from(source.data ?? "", "base64"),
    ranges: (location?.ranges ?? []).map(({ start, end }) => ({ start: start?.line ?? 0, end: end?.line ?? 0 })),
  });
}
