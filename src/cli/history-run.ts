// The work of `slipway history`.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { basename } from "node:path";
import { goJson } from "../formats/oci/index.ts";
import type { Builder, BuildRecord } from "../service/builders/index.ts";
import { usageMessage, type Invocation } from "./command.ts";
import { exportRecord } from "./history-export.ts";
import { inspectRecord } from "./history-inspect.ts";
import { buildName, createdMs, shortDuration, statusOf } from "./history-records.ts";
import { humanDuration } from "./sizes.ts";
import { alignSpaces } from "./table.ts";
import { renderTemplate } from "./template.ts";
import { underDisplay } from "./under-display.ts";
import type { DisplayMode } from "./progress/index.ts";

/** Resolves with the exit code. @throws Error in buildx's words; BuildError from the builder. */
export async function runHistory(invocation: Invocation): Promise<number> {
  const { args, command, flags, shell, root } = invocation;
  const [verb = "", ...refs] = args;
  if (!["ls", "logs", "inspect", "rm", "export"].includes(verb)) {
    throw new Error(usageMessage(command, `slipway history: unknown command ${JSON.stringify(verb)}`));
  }
  await using builder = await shell.openBuilder({ builder: flags.string("builder"), root });
  switch (verb) {
    case "ls":
      return list(invocation, await builder.history.list({ filters: flags.list("filter").map(remoteFilter) }));
    case "logs":
      return await logs(invocation, builder, await findRecord(builder, refs[0] ?? ""));
    case "inspect":
      return await inspectRecord(invocation, builder, await findRecord(builder, refs[0] ?? ""));
    case "export":
      return await exportRecord(invocation, builder, await findRecord(builder, refs[0] ?? ""));
    default:
      return await remove(invocation, builder, refs);
  }
}

/** The record that a word names: an identifier, its beginning, `^N`, or nothing for the newest. */
async function findRecord(builder: Builder, word: string): Promise<BuildRecord> {
  const ref = basename(word);
  const offset = /^\^(\d+)$/.exec(ref)?.[1];
  const known = await builder.history.list({});
  if (ref === "" || offset !== undefined) {
    const found = known[Number(offset ?? 0)];
    if (found !== undefined) return found;
    throw new Error(known.length === 0 ? "no records found" : `no completed build found with offset ${offset}`);
  }
  const exact = known.filter(({ record }) => record.Ref === ref);
  const matching = exact.length > 0 ? exact : known.filter(({ record }) => record.Ref.startsWith(ref));
  if (matching.length === 1) return matching[0]!;
  if (matching.length > 1) throw new Error(`${ref} is the beginning of ${matching.length} builds' identifiers`);
  throw new Error(`no record found for ref ${JSON.stringify(word)}`);
}

function list({ flags, shell }: Invocation, records: readonly BuildRecord[]): number {
  const now = shell.now();
  const format = flags.string("format");
  if (format !== "" && format !== "table") {
    for (const each of records) {
      const fields = fieldsOf(each, now);
      shell.stdout.write(`${format === "json" ? goJson(jsonOf(each)) : renderTemplate(format, fields)}\n`);
    }
    return 0;
  }
  const rows = records.map((each) => {
    const { Ref, Name, Status, CreatedAt, Duration } = fieldsOf(each, now);
    return [Ref!, flags.bool("no-trunc") ? Name! : trimBeginning(Name!, 36), Status!, CreatedAt!, Duration!];
  });
  shell.stdout.write(alignSpaces([["BUILD ID", "NAME", "STATUS", "CREATED AT", "DURATION"], ...rows]));
  return 0;
}

function fieldsOf({ record, isRunning }: BuildRecord, nowMs: number): Record<string, string> {
  const created = createdMs(record);
  const end = record.CompletedAt === undefined ? nowMs : timestampMs(record.CompletedAt);
  return {
    Ref: record.Ref,
    Name: buildName(record),
    Status: statusOf({ record, isRunning }),
    CreatedAt: `${humanDuration(nowMs - created)} ago`,
    Duration: `${shortDuration(end - created)}${isRunning ? "+" : ""}`,
  };
}

function jsonOf(each: BuildRecord): Record<string, unknown> {
  const { record } = each;
  return {
    ref: record.Ref,
    name: buildName(record),
    status: statusOf(each),
    created_at: new Date(createdMs(record)).toISOString(),
    ...(record.CompletedAt === undefined
      ? {}
      : { completed_at: new Date(timestampMs(record.CompletedAt)).toISOString() }),
    total_steps: record.numTotalSteps,
    completed_steps: record.numCompletedSteps,
    cached_steps: record.numCachedSteps,
  };
}

async function logs(invocation: Invocation, builder: Builder, { record }: BuildRecord): Promise<number> {
  const { flags, shell } = invocation;
  const asked = flags.string("progress");
  const mode = (asked === "auto" || asked === "" ? "plain" : asked) as DisplayMode;
  if (!["plain", "rawjson", "tty"].includes(mode)) throw new Error(`invalid progress mode ${asked}`);
  const ended = await underDisplay({ shell, mode, expandWarnings: invocation.debug, summary: false }, (work) =>
    builder.history.logs(record.Ref, work.onStatus, work.signal),
  );
  if (ended.kind === "failed") throw ended.error;
  return ended.kind === "interrupted" ? ended.exitCode : 0;
}

async function remove({ flags, shell }: Invocation, builder: Builder, refs: readonly string[]): Promise<number> {
  const all = flags.bool("all");
  if (refs.length === 0 && !all) throw new Error("rm requires at least one argument");
  if (refs.length > 0 && all) throw new Error("rm requires either --all or at least one argument");
  const found = all
    ? (await builder.history.list({})).filter(({ isRunning }) => !isRunning)
    : await Promise.all(refs.map((ref) => findRecord(builder, ref)));
  for (const { record } of found) {
    await builder.history.remove(record.Ref);
    shell.stdout.write(`${record.Ref}\n`);
  }
  return 0;
}

/** BuildKit's filters, from buildx's. @throws Error in buildx's words. */
function remoteFilter(text: string): string {
  const match = /^(\w+)(!=|<=|>=|=|<|>)(.*)$/s.exec(text);
  if (match === null) throw new Error(`invalid filter ${JSON.stringify(text)}`);
  const [, key = "", operator = "", value = ""] = match;
  if (["ref", "repository", "status"].includes(key)) {
    if (operator !== "=" && operator !== "!=") {
      throw new Error(`invalid separator for ${JSON.stringify(text)}, expected = or !=`);
    }
    return `${key}${operator === "!=" ? "!=" : key === "status" ? "==" : "~="}${value}`;
  }
  if (["startedAt", "completedAt", "duration"].includes(key)) {
    if (operator === "=" || operator === "!=") {
      throw new Error(`invalid separator for ${JSON.stringify(text)}, expected <=, <, >= or >`);
    }
    return text;
  }
  throw new Error(`unsupported filter ${JSON.stringify(text)}`);
}

function trimBeginning(text: string, length: number): string {
  return text.length <= length ? text : `..${text.slice(text.length - length + 2)}`;
}
