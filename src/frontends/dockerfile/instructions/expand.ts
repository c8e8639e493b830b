// Which words of an instruction have their variables expanded. Counterpart: the Expand methods of
// frontend/dockerfile/instructions/commands.go.

import { parseMount } from "./mount.ts";
import type { Command, Expander, KeyValue, SourcesAndDest } from "./types.ts";

/** Expands in place; `expandRaw` is for texts whose quotes stay. ARG is expanded where its value is needed. @throws FrontendError */
export function expandCommand(command: Command, expand: Expander, expandRaw: Expander): void {
  switch (command.kind) {
    case "env":
      expandPairs(command.env, expand);
      return;
    case "label":
      expandPairs(command.labels, expand);
      return;
    case "add":
      command.chown = expand(command.chown);
      command.chmod = expand(command.chmod);
      command.checksum = expand(command.checksum);
      expandFiles(command.files, expand, expandRaw);
      return;
    case "copy":
      command.chown = expand(command.chown);
      command.chmod = expand(command.chmod);
      expandFiles(command.files, expand, expandRaw);
      return;
    case "workdir":
      command.path = expand(command.path);
      return;
    case "run":
      command.mounts = command.mountFlags.map((flag) => parseMount(flag, expand));
      return;
    case "user":
      command.user = expand(command.user);
      return;
    case "volume":
      for (const [at, volume] of command.volumes.entries()) command.volumes[at] = expand(volume);
      return;
    case "stopsignal":
      command.signal = expand(command.signal);
      return;
    case "arg":
    case "maintainer":
    case "onbuild":
    case "cmd":
    case "entrypoint":
    case "healthcheck":
    case "expose":
    case "shell":
      return;
    default:
      command satisfies never;
  }
}

function expandPairs(pairs: KeyValue[], expand: Expander): void {
  for (const [at, { key, value, noDelim }] of pairs.entries()) {
    pairs[at] = { key: expand(key), value: expand(value), noDelim };
  }
}

function expandFiles(files: SourcesAndDest, expand: Expander, expandRaw: Expander): void {
  for (const [at, source] of files.sources.entries()) files.sources[at] = expand(source);
  files.dest = expand(files.dest);
  for (const content of files.contents) if (content.expand) content.data = expandRaw(content.data);
}
