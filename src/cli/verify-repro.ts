// `slipway verify-repro`: builds twice under different conditions and says what differs. The work is in verify-repro-run.ts.

import { build } from "./build.ts";
import type { CommandDefinition } from "./command.ts";

/** What the second build has otherwise than the first. */
export const variations = ["order", "time", "umask", "timezone", "files"] as const;
export type Variation = (typeof variations)[number];

const notForThis = new Set([
  "annotation",
  "attest",
  "cache-from",
  "cache-to",
  "call",
  "check",
  "iidfile",
  "load",
  "metadata-file",
  "output",
  "provenance",
  "push",
  "quiet",
  "sbom",
  "tag",
]);

export const verifyRepro: CommandDefinition = {
  name: "verify-repro",
  summary: "Build twice and show what differs",
  description:
    "Builds on two fresh stores, the second time with steps one at a time in a random order, at another second, with another umask and time zone, and with " +
    "the store in memory, where folders list their files in another order. Both images are made with rewrite-timestamp and SOURCE_DATE_EPOCH (that of " +
    "the command line or the environment, else 0) and compared: equal digests end with exit code 0; else every difference is shown by step, path and " +
    "field with both values, and the exit code is 1. Times that show days rather than seconds, other machines and other kernels are not varied.",
  usage: "[OPTIONS] PATH | URL",
  args: { min: 1, max: 1 },
  mounts: true,
  flags: [
    ...build.flags.filter(({ name }) => !notForThis.has(name)),
    {
      name: "compression",
      kind: "string",
      default: "gzip",
      help: 'Compression of layers ("gzip", "zstd", "uncompressed")',
    },
    { name: "keep", kind: "string", help: "Folder to leave both images in, as OCI layouts a and b" },
    {
      name: "vary",
      kind: "slice",
      help: `What the second build has otherwise (default: ${variations.join(",")})`,
    },
  ],
  examples: [
    { what: "Is this build reproducible?", line: "slipway verify-repro ." },
    {
      what: "Keep both images for diffoscope",
      line: "slipway verify-repro --keep /tmp/pair . || diffoscope /tmp/pair/a /tmp/pair/b",
    },
  ],
  run: async (invocation) => (await import("./verify-repro-run.ts")).runVerifyRepro(invocation),
};
