// Runs one frontend case and compares everything that the vectors state: definitions, metadata, source maps, image bytes,
// errors with their lines, warnings, the lint subrequest, and what was read on the way.

import { digestOf, isBuildError, messageOf } from "../../../src/base/index.ts";
import type { pb } from "../../../src/formats/proto/index.ts";
import { dockerfileFrontend } from "../../../src/frontends/dockerfile/index.ts";
import { parseDockerfile } from "../../../src/frontends/dockerfile/parse/parser.ts";
import type { Node } from "../../../src/frontends/dockerfile/parse/parser.ts";
import type { FrontendResult, GatewayWarning } from "../../../src/frontends/gateway/index.ts";
import type { FrontendCase, Json } from "./case.ts";
import { decodeDefinition, joinLines, llbFacts } from "./definition-facts.ts";
import { firstDifference } from "./difference.ts";
import { StubGateway } from "./stub-gateway.ts";

type JsonObject = { readonly [key: string]: Json };

/** "" when the case passes, else its first difference. */
export async function runFrontendCase(one: FrontendCase, images: JsonObject): Promise<string> {
  const parsed = one.parse === undefined ? "" : compareParse(one, one.parse);
  if (parsed !== "") return `parse.json ${parsed}`;
  const gateway = new StubGateway(one, images);
  const outcome = await outcomeOf(gateway);
  const { expected } = one;
  const checks: (() => string | Promise<string>)[] = [
    () => firstDifference(outcome.error, expected["error"], "error"),
    () => firstDifference(outcome.result?.multiPlatform ?? false, expected["multiPlatform"], "multiPlatform"),
    () => compareBuilds(outcome.result, expected["builds"] as JsonObject[]),
    () => firstDifference(gateway.forwards, expected["forwards"] ?? [], "forwards"),
    () => firstDifference(sortWarnings(gateway.warnings.map(warningFacts)), expected["warnings"], "warnings"),
    () => compareLint(one, images),
    () => compareInternal(gateway.solved, expected["internal"] as JsonObject[]),
    () => compareSubrequests(one, images),
  ];
  for (const check of checks) {
    const found = await check();
    if (found !== "") return found;
  }
  return "";
}

interface Outcome {
  readonly result: FrontendResult | undefined;
  readonly error: { message: string; locations: string[][] } | undefined;
}

async function outcomeOf(gateway: StubGateway): Promise<Outcome> {
  try {
    return { result: await dockerfileFrontend(gateway, new AbortController().signal), error: undefined };
  } catch (error) {
    const sources = isBuildError(error) ? error.sources : [];
    return {
      result: undefined,
      error: { message: messageOf(error), locations: sources.map((s) => joinLines(s.ranges)) },
    };
  }
}

function compareBuilds(result: FrontendResult | undefined, expected: readonly JsonObject[]): string {
  const builds = (result?.builds ?? []).toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const wanted = expected.toSorted((a, b) => ((a["platform"] as string) < (b["platform"] as string) ? -1 : 1));
  const keys = firstDifference(
    builds.map(({ key }) => key),
    wanted.map((build) => build["platform"]),
    "platforms",
  );
  if (keys !== "") return keys;
  for (const [at, build] of builds.entries()) {
    const want = wanted[at]!;
    const found =
      compareLlb(build.definition, want["llb"] as JsonObject) ||
      firstDifference(JSON.parse(new TextDecoder().decode(build.config)), want["image"], "image") ||
      firstDifference(digestOf(build.config), want["imageSha256"], "imageSha256") ||
      firstDifference(
        build.baseConfig && digestOf(build.baseConfig),
        want["baseImageSha256"] || undefined,
        "baseImageSha256",
      ) ||
      firstDifference(
        build.epoch === undefined ? undefined : String(build.epoch),
        want["sourceDateEpoch"],
        "sourceDateEpoch",
      );
    if (found !== "") return `${build.key} ${found}`;
  }
  return "";
}

interface Llb {
  readonly head: string;
  readonly ops: readonly { readonly digest: string; readonly [key: string]: unknown }[];
  readonly [key: string]: unknown;
}

// Heads first; then, op by op, what is in them, since a digest alone explains nothing.
function compareLlb(definition: pb.Definition, want: JsonObject): string {
  const got = llbFacts(definition) as Llb;
  const expected = want as unknown as Llb;
  for (const [at, op] of expected.ops.entries()) {
    const mine = got.ops.find(({ digest }) => digest === op.digest) ?? got.ops[at];
    const found =
      firstDifference(mine?.["op"], op["op"], `op[${at}]`) ||
      (op["raw"] === undefined ? "" : firstDifference(mine?.["raw"], op["raw"], `raw[${at}]`)) ||
      firstDifference(mine?.["metadata"], op["metadata"], `metadata[${at}]`);
    if (found !== "") return found;
  }
  const locations = (expected["sourceMap"] as { locations?: { digest: string; locations: unknown }[] } | undefined)
    ?.locations;
  const byDigest = Object.fromEntries((locations ?? []).map((entry) => [entry.digest, entry.locations]));
  const mineMap = got["sourceMap"] as { infos: unknown; locations: unknown } | undefined;
  const wantMap = expected["sourceMap"] as { infos?: unknown } | undefined;
  return (
    firstDifference(got.head, expected.head, "head") ||
    firstDifference(
      got.ops.map(({ digest }) => digest),
      expected.ops.map(({ digest }) => digest),
      "order",
    ) ||
    firstDifference(withoutRaw(got["terminal"], expected["terminal"]), expected["terminal"], "terminal") ||
    firstDifference(mineMap?.infos ?? [], wantMap?.infos ?? [], "sourceMap.infos") ||
    firstDifference(mineMap?.locations ?? {}, byDigest, "sourceMap.locations")
  );
}

// The packed copy leaves exact bytes out.
function withoutRaw(got: unknown, expected: unknown): unknown {
  if (typeof got !== "object" || got === null || typeof expected !== "object" || expected === null) return got;
  if ("raw" in expected || !("raw" in got)) return got;
  const { raw: _, ...rest } = got;
  return rest;
}

interface WarningFacts {
  readonly rule: string;
  readonly message: string;
  readonly detail: string;
  readonly url: string | undefined;
  readonly lines: readonly string[];
}

function warningFacts(warning: GatewayWarning): WarningFacts {
  const [, rule = "", message = ""] = /^(\w+): (.*?)(?: \(line \d+\))?$/s.exec(warning.short) ?? [];
  return {
    rule,
    message,
    detail: warning.detail[0] ?? "",
    url: warning.url || undefined,
    lines: joinLines(warning.source?.ranges ?? []),
  };
}

function sortWarnings(warnings: readonly WarningFacts[]): WarningFacts[] {
  const line = (warning: WarningFacts) => Number.parseInt(warning.lines[0] ?? "0", 10);
  const compare = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1);
  return warnings.toSorted((a, b) => line(a) - line(b) || compare(a.rule, b.rule) || compare(a.message, b.message));
}

interface LintJson {
  readonly warnings:
    | readonly {
        ruleName: string;
        description: string;
        url?: string;
        detail: string;
        location: { ranges?: RangeJson[] };
      }[]
    | null;
  readonly buildError?: { message: string; location: { ranges?: RangeJson[] } };
}

interface RangeJson {
  readonly start: { line?: number };
  readonly end: { line?: number };
}

async function compareLint(one: FrontendCase, images: JsonObject): Promise<string> {
  const expected = one.expected["lint"] as JsonObject | null;
  if (expected === null) return "";
  const gateway = new StubGateway(one, images, { requestid: "frontend.lint" });
  const { result, error } = await outcomeOf(gateway);
  if (error !== undefined) return firstDifference({ warnings: [], error }, expected, "lint");
  const json = JSON.parse(new TextDecoder().decode(result!.metadata.get("result.json"))) as LintJson;
  const lines = (ranges: readonly RangeJson[] | undefined) =>
    joinLines((ranges ?? []).map(({ start, end }) => ({ start: start.line ?? 0, end: end.line ?? 0 })));
  const warnings = (json.warnings ?? []).map((warning) => ({
    rule: warning.ruleName,
    message: warning.detail,
    detail: warning.description,
    url: warning.url || undefined,
    lines: lines(warning.location.ranges),
  }));
  const found = json.buildError;
  const problem = found && {
    message: found.message,
    locations: found.location.ranges?.length ? [lines(found.location.ranges)] : [],
  };
  return firstDifference({ warnings: sortWarnings(warnings), error: problem }, expected, "lint");
}

function compareInternal(solved: readonly pb.Definition[], expected: readonly JsonObject[]): string {
  const facts = solved.map((definition) => {
    const { ops, head } = decodeDefinition(definition);
    const name = ops.at(-1)?.metadata.description["llb.customname"] ?? "";
    return { head: head?.digest ?? "", name, definition };
  });
  const unique = Array.from(new Map(facts.map((fact) => [fact.head, fact])).values());
  unique.sort((a, b) => (a.head < b.head ? -1 : 1));
  const heads = firstDifference(
    unique.map(({ head, name }) => ({ head, name })),
    expected.map((entry) => ({ head: entry["head"], name: entry["name"] })),
    "internal",
  );
  if (heads !== "") return heads;
  for (const [at, entry] of expected.entries()) {
    if (entry["llb"] === undefined) continue;
    const found = compareLlb(unique[at]!.definition, entry["llb"] as JsonObject);
    if (found !== "") return `internal[${at}] ${found}`;
  }
  return "";
}

async function compareSubrequests(one: FrontendCase, images: JsonObject): Promise<string> {
  const expected = (one.expected["subrequests"] ?? {}) as JsonObject;
  for (const id of one.options.subrequests ?? []) {
    const { result, error } = await outcomeOf(new StubGateway(one, images, { requestid: id }));
    const got =
      error ??
      Object.fromEntries(
        Array.from(result!.metadata, ([key, bytes]) => {
          const text = new TextDecoder().decode(bytes);
          return [key, key === "result.json" ? (JSON.parse(text) as Json) : text];
        }),
      );
    const found = firstDifference(got, expected[id], `subrequests.${id}`);
    if (found !== "") return found;
  }
  return "";
}

function compareParse(one: FrontendCase, expected: JsonObject): string {
  const name = one.files.has("Dockerfile") ? "Dockerfile" : (one.options.frontendOpts["filename"] ?? "Dockerfile");
  const data = one.files.get(name);
  if (data === undefined) return "";
  let nodes: readonly Node[];
  try {
    nodes = parseDockerfile(data).nodes;
  } catch (error) {
    const want = expected["error"] as JsonObject | string | null;
    return firstDifference(messageOf(error), typeof want === "object" ? want?.["message"] : want, "error");
  }
  return firstDifference(
    nodes.map((node) => nodeFacts(node)),
    expected["nodes"],
    "nodes",
  );
}

function nodeFacts(node: Node): unknown {
  const texts = (list: readonly string[]) => list.map((text) => text.toWellFormed());
  return {
    instruction: node.instruction.toWellFormed(),
    lines: joinLines([{ start: node.startLine, end: node.endLine }])[0],
    original: node.original.toWellFormed(),
    flags: texts(node.flags),
    args: node.sub === undefined ? texts(node.args) : [],
    json: node.json,
    ...(node.sub === undefined ? {} : { sub: nodeFacts(node.sub) }),
    ...((node.comments ?? []).length === 0 ? {} : { comments: texts(node.comments ?? []) }),
    ...(node.heredocs.length === 0 ? {} : { heredocs: node.heredocs.map(heredocFacts) }),
  };
}

function heredocFacts({ name, fileDescriptor, expand, chomp, content }: Node["heredocs"][number]): unknown {
  return { name, fileDescriptor, expand, chomp, content: content.toWellFormed() };
}
