// `slipway imagetools create|inspect`: indexes made of images that are in registries, and what is in them. The work is in
// imagetools-run.ts. Counterpart: docker/buildx commands/imagetools.

import type { CommandDefinition } from "./command.ts";

export const imagetools: CommandDefinition = {
  name: "imagetools",
  summary: "Commands to work on images in registry",
  description:
    "`create` makes an image of others that are in registries: an index of single-platform images that several builders or CI jobs pushed by digest, " +
    "a copy under another name or in another registry, some of its platforms, with annotations. Only what the target lacks is copied; blobs that the registry has are " +
    "mounted. Attestations go along. SOURCE is a reference, a digest (of the repository of the tag), or a descriptor as JSON. " +
    "`inspect` shows an image in a registry, its manifests, config, SBOM and provenance.",
  usage: "create|inspect [OPTIONS] [SOURCE...|NAME]",
  args: { min: 1, max: Number.POSITIVE_INFINITY },
  flags: [
    { name: "annotation", kind: "array", help: "Add annotation to the image (create)" },
    { name: "append", kind: "bool", help: "Append to existing manifest (create)" },
    { name: "builder", kind: "string", help: "Has no effect: registries are spoken to from here", hidden: true },
    { name: "dry-run", kind: "bool", help: "Show final image instead of pushing (create)" },
    { name: "file", short: "f", kind: "array", help: "Read source descriptor from file (create)" },
    {
      name: "format",
      kind: "string",
      help: 'Format the output using the given Go template (inspect; default "{{.Manifest}}")',
    },
    { name: "metadata-file", kind: "string", help: "Write create result metadata to a file (create)" },
    { name: "platform", short: "p", kind: "array", help: "Filter specified platforms of target image (create)" },
    {
      name: "prefer-index",
      kind: "bool",
      default: "true",
      help: "When only a single source is specified, prefer outputting an image index or manifest list instead of performing a carbon copy (create)",
    },
    {
      name: "progress",
      kind: "string",
      default: "auto",
      help: 'Set type of progress output ("auto", "none", "plain", "rawjson", "tty"; create)',
    },
    { name: "raw", kind: "bool", help: "Show original, unformatted JSON manifest (inspect)" },
    { name: "tag", short: "t", kind: "array", help: "Set reference for new image (create)" },
  ],
  examples: [
    {
      what: "Join what two CI jobs pushed by digest",
      line: "slipway imagetools create -t example.com/app:1 sha256:… sha256:…",
    },
    {
      what: "Copy an image to another registry, attestations included",
      line: "slipway imagetools create -t other.example/app:1 example.com/app:1",
    },
    {
      what: "Where does it come from?",
      line: "slipway imagetools inspect --format '{{json .Provenance}}' example.com/app:1",
    },
  ],
  run: async (invocation) => (await import("./imagetools-run.ts")).runImagetools(invocation),
};
