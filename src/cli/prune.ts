// `slipway prune`: removes what the cache can do without. Counterpart: docker/buildx commands/prune.go.

import type { UsageRecord } from "../service/builders/index.ts";
import { builderFlag } from "./builder-flag.ts";
import type { CommandDefinition, Invocation } from "./command.ts";
import { confirmed } from "./confirm.ts";
import { parseFilters } from "./filters.ts";
import { humanSize } from "./sizes.ts";
import { alignTabs } from "./table.ts";
import { usageDetails, usageHeader, usageRow } from "./usage-records.ts";

export const prune: CommandDefinition = {
  name: "prune",
  summary: "Remove build cache",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    builderFlag,
    { name: "all", short: "a", kind: "bool", help: "Include internal/frontend images" },
    { name: "filter", kind: "filter", help: 'Provide filter values (e.g., "until=24h", "type=source.local")' },
    { name: "force", short: "f", kind: "bool", help: "Do not prompt for confirmation" },
    {
      name: "keep-storage",
      kind: "bytes",
      help: "Amount of disk space to keep for cache",
      aliasOf: "reserved-space",
      deprecated: "keep-storage flag has been changed to reserved-space",
    },
    { name: "max-used-space", kind: "bytes", help: "Maximum amount of disk space allowed to keep for cache" },
    { name: "min-free-space", kind: "bytes", help: "Target amount of free disk space after pruning" },
    { name: "reserved-space", kind: "bytes", help: "Amount of disk space always allowed to keep for cache" },
    { name: "verbose", kind: "bool", help: "Provide a more verbose output" },
  ],
  examples: [
    { what: "Remove what no image or running build needs", line: "slipway prune -f" },
    {
      what: "Keep 20 GB of what was used in the last week",
      line: "slipway prune -f --reserved-space 20GB --filter until=168h",
    },
  ],
  run: runPrune,
};

async function runPrune({ flags, shell, root }: Invocation): Promise<number> {
  const { filters, keepDurationMs } = parseFilters(flags.list("filter"));
  const what = flags.bool("all") ? "all build cache" : "all dangling build cache";
  if (
    !flags.bool("force") &&
    !(await confirmed(shell, `WARNING! This will remove ${what}. Are you sure you want to continue?`))
  )
    return 0;

  await using builder = await shell.openBuilder({ builder: flags.string("builder"), root, toFreeSpace: true });
  const controller = new AbortController();
  using _signals = shell.onSignals((signal) => {
    if (controller.signal.aborted) shell.exitNow(signal === "SIGINT" ? 130 : 143);
    controller.abort(new DOMException("context canceled", "AbortError"));
  });
  const limits = {
    keepDurationMs,
    reservedBytes: flags.number("reserved-space"),
    maxUsedBytes: flags.number("max-used-space"),
    minFreeBytes: flags.number("min-free-space"),
  };
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined && value !== 0));
  let total = 0;
  let first = true;
  const onRecord = (record: UsageRecord) => {
    total += record.sizeBytes;
    if (flags.bool("verbose")) {
      shell.stdout.write(usageDetails(record, shell.now()));
      return;
    }
    const [id = "", reclaimable = "", size = "", used = ""] = usageRow(record, shell.now());
    const row = [id.padEnd(40), reclaimable.padEnd(5), size.padEnd(10), used];
    shell.stdout.write(alignTabs(first ? [usageHeader, row] : [row]));
    first = false;
  };
  await builder.prune({ filters, all: flags.bool("all"), ...given }, onRecord, controller.signal);
  shell.stdout.write(alignTabs([["Total:", humanSize(total)]]));
  return 0;
}
