// What a definition asks for that its user may not expect: the host's network, privileged steps, files outside the working directory,
// agents. It is asked for before anything is built, or granted with `--allow`. Counterpart: docker/buildx bake/entitlements.go.

import { realpathSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { basename, dirname, join, normalize, relative, resolve, sep } from "node:path";
import type { Target } from "../frontends/bake/index.ts";
import { isRemote } from "../frontends/bake/index.ts";
import { dockerfilePath } from "./bake-checks.ts";
import type { Shell } from "./command.ts";
import { goBool } from "./flags.ts";

/** What is asked for beyond what was granted. */
interface Missing {
  readonly networkHost: boolean;
  readonly insecure: boolean;
  readonly devices: readonly string[];
  readonly ssh: boolean;
  readonly localDelete: boolean;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** Asks on a terminal, else refuses. @throws Error when something is not granted. */
export async function checkEntitlements(
  targets: ReadonlyMap<string, Target>,
  allow: readonly string[],
  shell: Shell,
): Promise<void> {
  const missing = missingOf(targets, allow, shell.cwd);
  const general = generalAsks(missing);
  const files = fileAsks(missing, shell.cwd);
  if (general.length === 0 && files.length === 0) return;
  const setting = shell.env["BUILDX_BAKE_ENTITLEMENTS_FS"];
  const checksFiles = setting === undefined ? true : parseSetting(setting);
  if (!checksFiles && general.length === 0) return;
  const all = [...general, ...files];
  const flags = all.map(([flag]) => `--allow=${flag}`);
  const isTerminal = shell.stdin.isTTY === true;
  let text = "Your build is requesting privileges for following possibly insecure capabilities:\n\n";
  text += all.map(([, what]) => ` - ${what}\n`).join("");
  text += isTerminal
    ? `\nIn order to not see this message in the future pass ${JSON.stringify(flags.join(" "))} to grant requested privileges.\n`
    : `\nPass ${JSON.stringify(flags.join(" "))} to grant requested privileges.\n`;
  if (checksFiles && setting === undefined && files.length > 0) {
    text += "\nTo disable filesystem entitlements checks, you can set BUILDX_BAKE_ENTITLEMENTS_FS=0 .\n\n";
  }
  shell.stderr.write(text);
  if (isTerminal && (await confirmed(shell))) return;
  throw new Error("additional privileges requested");
}

async function confirmed(shell: Shell): Promise<boolean> {
  const terminal = createInterface({ input: shell.stdin, output: shell.stderr });
  try {
    return (
      (await terminal.question("Do you want to grant requested privileges and continue? [y/N] ")).toLowerCase() === "y"
    );
  } finally {
    terminal.close();
  }
}

function parseSetting(text: string): boolean {
  const value = goBool(text);
  if (value !== undefined) return value;
  throw new Error(
    `failed to parse BUILDX_BAKE_ENTITLEMENTS_FS value ${JSON.stringify(text)}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
  );
}

function missingOf(targets: ReadonlyMap<string, Target>, allow: readonly string[], cwd: string): Missing {
  const granted = new Set(allow);
  const paths = (...keys: string[]) =>
    allow.flatMap((each) => keys.filter((key) => each.startsWith(`${key}=`)).map((key) => each.slice(key.length + 1)));
  const all = [...targets.values()];
  const asks = (name: string) => all.some(({ entitlements = [] }) => entitlements.includes(name)) && !granted.has(name);
  const devices = all.flatMap(({ entitlements = [] }) => entitlements.filter((each) => /^device(=|$)/.test(each)));
  return {
    networkHost: asks("network.host"),
    insecure: asks("security.insecure"),
    devices: [...new Set(devices)].filter((each) => !granted.has("device") && !granted.has(each)),
    ssh: all.some(({ ssh = [] }) => ssh.some(({ paths: own }) => own.length === 0)) && !granted.has("ssh"),
    localDelete:
      all.some(({ output = [] }) =>
        output.some(({ type, attributes }) => type === "local" && attributes["mode"] === "delete"),
      ) && !granted.has("buildx.local.delete"),
    reads: outside(all.flatMap(readPaths), [".", ...paths("fs.read", "fs")], cwd),
    writes: outside(all.flatMap(writePaths), [".", ...paths("fs.write", "fs")], cwd),
  };
}

function readPaths(target: Target): string[] {
  const { context = ".", contexts, secret = [], ssh = [] } = target;
  const isLocal = (path: string) =>
    path !== "" && !isRemote(path) && !/^(docker-image|oci-layout|target|input|local):/.test(path);
  const paths = [context, ...(contexts?.values() ?? [])].map((path) => path.replace(/^cwd:\/\//, "")).filter(isLocal);
  for (const value of contexts?.values() ?? []) {
    if (value.startsWith("oci-layout://")) paths.push(value.slice("oci-layout://".length).replace(/[@:].*$/, ""));
  }
  if (target["dockerfile-inline"] === undefined && isLocal(context)) paths.push(dirname(dockerfilePath(target)));
  for (const { type, attributes } of target["cache-from"] ?? []) {
    if (type === "local" && attributes["src"] !== undefined) paths.push(attributes["src"]);
  }
  paths.push(...secret.map(({ src }) => src).filter((path) => path !== ""));
  paths.push(...ssh.flatMap((each) => each.paths).filter((path) => path !== ""));
  return paths;
}

function writePaths({ output = [], "cache-to": caches = [] }: Target): string[] {
  const places = output.map(({ dest }) => dest).filter((dest) => dest !== "" && dest !== "-");
  for (const { type, attributes } of caches) {
    if (type === "local" && attributes["dest"] !== undefined) places.push(attributes["dest"]);
  }
  return places;
}

/** Paths under none of the allowed folders, links resolved, those below others left out, in order. */
function outside(paths: readonly string[], allowed: readonly string[], cwd: string): string[] {
  if (allowed.includes("*")) return [];
  const roots = allowed.map((path) => real(resolve(cwd, path), true));
  const asked = [...new Set(paths.map((path) => real(resolve(cwd, path), false)))];
  const shortest = asked.filter((path) => !asked.some((other) => other !== path && isBelow(path, other)));
  return shortest.filter((path) => !roots.some((root) => isBelow(path, root))).sort();
}

function isBelow(path: string, root: string): boolean {
  return path === root || root === "/" || path.startsWith(`${root}${sep}`);
}

/** Without links; of a path that isn't there, the part that is, with the rest behind it where `whole`. */
function real(path: string, whole: boolean): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = real(dirname(path), whole);
    return whole ? join(parent, basename(path)) : parent;
  }
}

function generalAsks({ networkHost, insecure, devices, localDelete }: Missing): [flag: string, what: string][] {
  const asks: [string, string][] = [];
  if (networkHost) asks.push(["network.host", "Running build containers that can access host network"]);
  if (insecure) asks.push(["security.insecure", "Running privileged containers that can make system changes"]);
  for (const device of devices) {
    asks.push([
      device,
      device === "device" ? "Access to CDI devices" : `Access to device ${device.slice("device=".length)}`,
    ]);
  }
  if (localDelete) asks.push(["buildx.local.delete", "Deleting stale files from local output destinations"]);
  return asks;
}

function fileAsks({ ssh, reads, writes }: Missing, cwd: string): [flag: string, what: string][] {
  const asks: [string, string][] = ssh ? [["ssh", "Forwarding default SSH agent socket"]] : [];
  const shown = (path: string) => {
    const near = relative(real(cwd, true), path) || ".";
    return near.startsWith(normalize("../..")) ? path : near;
  };
  const both = reads.filter((path) => writes.includes(path));
  for (const path of both) asks.push([`fs=${shown(path)}`, `Read and write access to path ${shown(path)}`]);
  for (const path of reads.filter((each) => !both.includes(each)))
    asks.push([`fs.read=${shown(path)}`, `Read access to path ${shown(path)}`]);
  for (const path of writes.filter((each) => !both.includes(each)))
    asks.push([`fs.write=${shown(path)}`, `Write access to path ${shown(path)}`]);
  return asks;
}
