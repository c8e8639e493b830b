// `slipway history inspect`: how a build was asked for and how it ended. Counterpart: docker/buildx commands/history/inspect.go.

import { timestampMs } from "@bufbuild/protobuf/wkt";
import { sourcesOf } from "../service/client/index.ts";
import type { Builder, BuildRecord } from "../service/builders/index.ts";
import type { Invocation } from "./command.ts";
import { buildName, createdMs, shortDuration, statusOf, wholeError } from "./history-records.ts";
import { sourceExcerpt } from "./progress/index.ts";
import { alignSpaces } from "./table.ts";
import { renderTemplate } from "./template.ts";

/** Frontend attributes that have a line of their own, or are told in lists. */
const TOLD = ["frontend.caps", "context", "filename", "target", "platform", "vcs:source", "vcs:revision"];

/** Writes the page of a record, or its JSON. Resolves with the exit code. */
export async function inspectRecord(
  { flags, shell }: Invocation,
  builder: Builder,
  found: BuildRecord,
): Promise<number> {
  const { record } = found;
  const attributes = record.FrontendAttrs;
  const error = await wholeError(builder, record);
  const started = createdMs(record);
  const ended = record.CompletedAt === undefined ? shell.now() : timestampMs(record.CompletedAt);
  const listed = (prefix: string) =>
    Object.entries(attributes)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => ({ Name: name.slice(prefix.length), Value: value }))
      .toSorted((one, two) => (one.Name < two.Name ? -1 : 1));
  const facts = {
    Name: buildName(record),
    Ref: record.Ref,
    Context: attributes["context"] ?? "",
    Dockerfile: attributes["filename"] ?? "",
    VCSRepository: attributes["vcs:source"] ?? "",
    VCSRevision: attributes["vcs:revision"] ?? "",
    Target: attributes["target"] ?? "",
    Platform: (attributes["platform"] ?? "").split(",").filter((each) => each !== ""),
    StartedAt: new Date(started).toISOString(),
    ...(record.CompletedAt === undefined ? {} : { CompletedAt: new Date(ended).toISOString() }),
    Duration: ended - started,
    Status: statusOf(found).toLowerCase(),
    ...(error === undefined ? {} : { Error: { Code: error.code, Message: error.message } }),
    NumCompletedSteps: record.numCompletedSteps,
    NumTotalSteps: record.numTotalSteps,
    NumCachedSteps: record.numCachedSteps,
    NamedContexts: listed("context:"),
    BuildArgs: listed("build-arg:"),
    Labels: listed("label:"),
    Exporters: record.Exporters.map(({ Type, Attrs }) => ({ Type, Attrs })),
    Results: { ...record.ExporterResponse },
  };
  const format = flags.string("format");
  if (format === "json") shell.stdout.write(`${JSON.stringify(facts, undefined, 2)}\n`);
  else if (format !== "" && format !== "pretty" && format !== "table") {
    shell.stdout.write(`${renderTemplate(format, facts)}\n`);
  } else {
    const cached = record.numTotalSteps === 0 ? 0 : Math.round((record.numCachedSteps / record.numTotalSteps) * 100);
    const rest = Object.entries(attributes).filter(
      ([name]) => !TOLD.includes(name) && !/^(vcs|build-arg|label|context|attest|sharedkey|local)/.test(name),
    );
    const rows: [string, string][] = [
      ["Name:", facts.Name],
      ["Ref:", facts.Ref],
      ["Context:", facts.Context],
      ["Dockerfile:", facts.Dockerfile],
      ["VCS Repository:", facts.VCSRepository],
      ["VCS Revision:", facts.VCSRevision],
      ["Target:", facts.Target],
      ["Platforms:", facts.Platform.join(", ")],
      ["Started:", facts.StartedAt.replace("T", " ").replace(/\..*$/, "")],
      ["Duration:", `${shortDuration(facts.Duration)}${found.isRunning ? " (running)" : ""}`],
      ["Status:", statusOf(found)],
      ["Build Steps:", `${facts.NumCompletedSteps}/${facts.NumTotalSteps} (${cached}% cached)`],
      ...rest.map(([name, value]): [string, string] => [`${name}:`, value]),
    ];
    shell.stdout.write(alignSpaces(rows.filter(([, value]) => value !== "")));
    for (const [title, entries] of [
      ["NAMED CONTEXT", facts.NamedContexts],
      ["BUILD ARG", facts.BuildArgs],
      ["LABEL", facts.Labels],
    ] as const) {
      if (entries.length === 0) continue;
      shell.stdout.write(`\n${alignSpaces([[title, "VALUE"], ...entries.map(({ Name, Value }) => [Name, Value])])}`);
    }
    if (error !== undefined) {
      shell.stdout.write(`\nError: ${error.message}\n`);
      for (const span of sourcesOf(error.details)) shell.stdout.write(sourceExcerpt(span));
    }
    shell.stdout.write(`\nPrint build logs: slipway history logs ${record.Ref}\n`);
  }
  return 0;
}
