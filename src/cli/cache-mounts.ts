// The work of `slipway cache mounts`.

import { goJson } from "../formats/oci/index.ts";
import type { CacheMountRecord } from "../service/builders/index.ts";
import { parseCacheEntries } from "./cache-options.ts";
import { usageMessage, type Invocation } from "./command.ts";
import { humanSize } from "./sizes.ts";
import { alignSpaces } from "./table.ts";

/** Resolves with the exit code. @throws Error for wrong use; BuildError from the builder. */
export async function runCacheMounts(invocation: Invocation): Promise<number> {
  const { args, command, flags, shell, root } = invocation;
  const [kind, verb, ...rest] = args;
  const verbs = ["ls", "du", "rm", "export", "import"];
  if (kind !== "mounts" || !verbs.includes(verb ?? "")) {
    throw new Error(usageMessage(command, `slipway cache: unknown command ${JSON.stringify(args.join(" "))}`));
  }
  await using builder = await shell.openBuilder({ root });
  const controller = new AbortController();
  using _signals = shell.onSignals((signal) => {
    if (controller.signal.aborted) shell.exitNow(signal === "SIGINT" ? 130 : 143);
    controller.abort(new DOMException("context canceled", "AbortError"));
  });
  const { stdout, stderr } = shell;
  const scopes = flags.list("scope");
  const transfer = {
    scopes: scopes.length === 0 ? ["default"] : scopes,
    onWarning: (text: string) => void stderr.write(`WARNING: ${text}\n`),
    signal: controller.signal,
  };
  switch (verb) {
    case "rm": {
      if (rest.length === 0 && !flags.bool("all")) throw new Error("give the ids of cache mounts, or --all");
      const removed = await builder.removeCacheMounts(flags.bool("all") ? undefined : rest, controller.signal);
      for (const id of removed) stdout.write(`${id}\n`);
      const missing = flags.bool("all") ? [] : rest.filter((id) => !removed.includes(id));
      for (const id of missing) stderr.write(`ERROR: no unused cache mount ${JSON.stringify(id)}\n`);
      return missing.length === 0 ? 0 : 1;
    }
    case "export":
    case "import": {
      const entries = parseCacheEntries(rest, shell.cwd);
      if (entries.length === 0)
        throw new Error(
          `give a place, as in: slipway cache mounts ${verb} type=local,${verb === "export" ? "dest" : "src"}=DIR`,
        );
      for (const { type, attributes } of entries) {
        const place = { Type: type, Attrs: Object.fromEntries(attributes) };
        const ids = await builder.transferCacheMounts(verb, place, transfer);
        for (const id of ids) stdout.write(`${id}\n`);
      }
      return 0;
    }
    default: {
      const records = await builder.cacheMounts();
      if (flags.string("format") === "json") {
        for (const record of records) stdout.write(`${goJson({ ...record })}\n`);
      } else if (verb === "ls") stdout.write(alignSpaces([["ID", "USES", "SIZE", "LAST USED"], ...records.map(row)]));
      else {
        const total = records.reduce((sum, each) => sum + each.sizeBytes, 0);
        stdout.write(
          alignSpaces([
            ["ID", "SIZE"],
            ...records.map(({ id, sizeBytes }) => [id, humanSize(sizeBytes)]),
            ["Total:", humanSize(total)],
          ]),
        );
      }
      return 0;
    }
  }
}

function row({ id, uses, sizeBytes, usedAtMs }: CacheMountRecord): string[] {
  return [id, String(uses), humanSize(sizeBytes), new Date(usedAtMs).toISOString()];
}
