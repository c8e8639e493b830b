// `slipway cp`. Counterpart: docker/cli cli/command/container/cp.go.

import type { CommandDefinition } from "./command.ts";

export const cp: CommandDefinition = {
  name: "cp",
  summary: "Copy files/folders between a container and the local filesystem",
  description:
    "`-` in place of a local path is a tar on standard input or output. A source that ends in `/.` is the content of a folder.",
  usage: "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
  args: { min: 2, max: 2 },
  flags: [
    { name: "archive", short: "a", kind: "bool", help: "Archive mode (copy all uid/gid information)" },
    { name: "follow-link", short: "L", kind: "bool", help: "Always follow symbol link in SRC_PATH" },
    { name: "quiet", short: "q", kind: "bool", help: "Suppress progress output during copy", hidden: true },
  ],
  examples: [
    { what: "Fetch the reports", line: "slipway cp tests:/app/reports ." },
    { what: "Put a file in", line: "slipway cp app.conf web:/etc/app/" },
  ],
  mounts: true,
  run: async (invocation) => (await import("./cp-run.ts")).runCp(invocation),
};
