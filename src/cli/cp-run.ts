// Copies between a container and this machine, with docker's rules for what a destination means: a folder takes the source in, another
// name becomes its name. The local side is a tar as well, made and taken apart by the same small program.
// Counterpart: docker/cli cli/command/container/cp.go; moby/go-archive copy.go.

import { lstatSync, statSync } from "node:fs";
import { basename, dirname, posix, resolve } from "node:path";
import { openContainers, localTree } from "../running/containers/index.ts";
import type { PathStat } from "../running/containers/index.ts";
import type { Invocation } from "./command.ts";

/** What a path belongs to. */
interface Side {
  readonly shown: string;
  /** Whole path, without an ending slash or `/.`. */
  readonly path: string;
  readonly stat: (path: string) => Promise<PathStat | undefined>;
  readonly out: (path: string, name: string) => AsyncIterable<Uint8Array>;
  readonly into: (folder: string, tar: AsyncIterable<Uint8Array>) => Promise<void>;
}

export async function runCp({ args, flags, shell, root }: Invocation): Promise<number> {
  const [from = "", to = ""] = args;
  const source = containerPath(from);
  const target = containerPath(to);
  if (source === undefined && target === undefined) throw new Error("must specify at least one container source");
  if (source !== undefined && target !== undefined) throw new Error("copying between containers is not supported");
  await using containers = await openContainers({ root });
  const followLink = flags.bool("follow-link");
  const archive = flags.bool("archive");
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const inContainer = ({ name, path }: ContainerPath): Side => ({
    shown: `${name}:${path}`,
    path: posix.resolve("/", path),
    stat: (each) => containers.statPath(name, each),
    out: (each, as) => containers.copyOut(name, each, { name: as, followLink }),
    into: (folder, tar) => containers.copyIn(name, folder, tar),
  });
  const here = (path: string): Side => ({
    shown: path,
    path: resolve(shell.cwd, path),
    stat: (each) => Promise.resolve(localStat(each)),
    out: (each, as) => localTree.copyOut(each, { name: as, followLink }),
    into: (folder, tar) => localTree.copyIn(folder, tar, archive ? {} : { owner: own }),
  });
  if (source !== undefined && to === "-") {
    const side = inContainer(source);
    for await (const chunk of side.out(side.path, lastPart(side.path)))
      if (!shell.stdout.write(chunk)) await new Promise<void>((go) => shell.stdout.once("drain", () => go()));
    return 0;
  }
  if (target !== undefined && from === "-") {
    const side = inContainer(target);
    const found = await side.stat(side.path);
    if (found?.kind !== "directory") throw new Error(`destination "${to}" must be a directory`);
    await side.into(side.path, shell.stdin as AsyncIterable<Uint8Array>);
    return 0;
  }
  await copy(
    source === undefined ? here(from) : inContainer(source),
    target === undefined ? here(to) : inContainer(target),
    {
      from,
      to,
      followLink,
    },
  );
  return 0;
}

async function copy(
  source: Side,
  target: Side,
  { from, to, followLink }: { readonly from: string; readonly to: string; readonly followLink: boolean },
): Promise<void> {
  const found = await source.stat(source.path);
  if (found === undefined) throw new Error(`Could not find the file ${source.shown}: no such file or directory`);
  // A link that is copied as a link is no folder, whatever it leads to; with an ending slash it is meant to be one.
  const wantsFolder = /(^|\/)\.?$/.test(from);
  const isFolder = found.kind === "directory" && (found.linkTarget === "" || followLink || wantsFolder);
  if (wantsFolder && !isFolder) throw new Error(`${source.shown}: not a directory`);
  const contentOnly = /(^|\/)\.$/.test(from) && isFolder;
  const there = await target.stat(target.path);
  const path = wantsFolder ? `${source.path === "/" ? "" : source.path}/.` : source.path;
  if (there === undefined) {
    if (to.endsWith("/") && !isFolder) throw new Error(`no such directory: ${target.shown}`);
    const parent = dirname(target.path);
    if ((await target.stat(parent))?.kind !== "directory") throw new Error(`no such directory: ${parent}`);
    await target.into(parent, source.out(path, basename(target.path)));
    return;
  }
  if (there.kind === "directory") {
    await target.into(target.path, source.out(path, contentOnly ? "." : lastPart(source.path)));
    return;
  }
  if (isFolder) throw new Error("cannot copy directory");
  if (to.endsWith("/")) throw new Error(`${target.shown}: not a directory`);
  await target.into(dirname(target.path), source.out(path, basename(target.path)));
}

interface ContainerPath {
  readonly name: string;
  readonly path: string;
}

/** `NAME:PATH`; a path of this machine has a slash or a dot before any colon. */
function containerPath(text: string): ContainerPath | undefined {
  if (text.startsWith("/") || text.startsWith(".") || text === "-") return undefined;
  const colon = text.indexOf(":");
  if (colon <= 0 || text.slice(0, colon).includes("/")) return undefined;
  return { name: text.slice(0, colon), path: text.slice(colon + 1) };
}

function lastPart(path: string): string {
  return basename(path) || ".";
}

function localStat(path: string): PathStat | undefined {
  const link = lstatSync(path, { throwIfNoEntry: false });
  if (link === undefined) return undefined;
  const stat = statSync(path, { throwIfNoEntry: false }) ?? link;
  return {
    kind: stat.isDirectory() ? "directory" : stat.isFile() ? "file" : "other",
    linkTarget: link.isSymbolicLink() ? "link" : "",
    mode: stat.mode & 0o7777,
    sizeBytes: stat.size,
  };
}
