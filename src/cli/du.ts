// `slipway du`: what the cache holds. Counterpart: docker/buildx commands/diskusage.go.

import type { UsageRecord } from "../service/builders/index.ts";
import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { parseFilters } from "./filters.ts";
import { goJson } from "../formats/oci/index.ts";
import { humanSize } from "./sizes.ts";
import { alignSpaces, alignTabs } from "./table.ts";
import { renderTemplate } from "./template.ts";
import { usageDetails, usageFields, usageHeader, usageRow } from "./usage-records.ts";

export const du: CommandDefinition = {
  name: "du",
  summary: "Disk usage",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    builderFlag,
    { name: "filter", kind: "filter", help: 'Provide filter values (e.g., "type=exec.cachemount", "until=24h")' },
    { name: "format", kind: "string", help: 'Format the output ("table", "pretty", "json" or a template)' },
    { name: "verbose", kind: "bool", help: 'Shorthand for "--format=pretty"' },
  ],
  examples: [
    { what: "What takes space", line: "slipway du" },
    { what: "Cache mounts alone, in detail", line: "slipway du --verbose --filter type=exec.cachemount" },
  ],
  run: runDu,
};

async function runDu({ flags, shell, root }: Invocation): Promise<number> {
  const format = flags.string("format");
  if (format !== "" && flags.bool("verbose")) throw new Error("--format and --verbose cannot be used together");
  const { filters, keepDurationMs } = parseFilters(flags.list("filter"));
  await using builder = await shell.openBuilder({ builder: flags.string("builder"), root });
  const now = shell.now();
  const all = await builder.diskUsage({ filters });
  const records = all.filter(
    ({ lastUsedAtMs, createdAtMs }) => now - (lastUsedAtMs ?? createdAtMs) >= (keepDurationMs ?? 0),
  );
  const { stdout } = shell;
  if (format === "json") {
    for (const record of records) stdout.write(`${goJson(usageFields(record, now))}\n`);
    return 0;
  }
  if (format !== "" && format !== "table" && format !== "pretty") {
    for (const record of records) stdout.write(`${renderTemplate(format, usageFields(record, now))}\n`);
    return 0;
  }
  if (flags.bool("verbose") || format === "pretty")
    for (const record of records) stdout.write(usageDetails(record, now));
  else stdout.write(alignSpaces([usageHeader, ...records.map((record) => usageRow(record, now))]));
  if (flags.list("filter").length === 0) stdout.write(summary(records));
  return 0;
}

function summary(records: readonly UsageRecord[]): string {
  const sum = (list: readonly UsageRecord[]) => list.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const total = sum(records);
  const shared = sum(records.filter((record) => record.shared));
  const rows = [
    ["Reclaimable:", humanSize(sum(records.filter(({ inUse }) => !inUse)))],
    ["Total:", humanSize(total)],
  ];
  if (shared > 0) rows.unshift(["Shared:", humanSize(shared)], ["Private:", humanSize(total - shared)]);
  return alignTabs(rows);
}
