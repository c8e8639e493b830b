// The work of `slipway verify-repro`: two builds on stores of their own that vanish afterwards, then the comparison.

import { existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { byteString } from "../base/index.ts";
import { mount, unmount } from "../system/linux/index.ts";
import { removeTree } from "../storage/snapshots/index.ts";
import { runBuild } from "./build-run.ts";
import { build } from "./build.ts";
import type { Invocation, Shell } from "./command.ts";
import { FlagValues } from "./flags.ts";
import { compareImages, type Difference } from "./repro-compare.ts";
import { type Variation, variations } from "./verify-repro.ts";

const EPOCH = "SOURCE_DATE_EPOCH";
/** A store in memory must not take what the machine needs: half of what is free, and no less than this is of use. */
const LEAST_MEMORY_BYTES = 1 << 30;
const MOST_SHOWN = 100;

/** Resolves with the exit code: 0 for equal images, 1 for different ones, or that of a build that failed. */
export async function runVerifyRepro(invocation: Invocation): Promise<number> {
  const { flags, shell } = invocation;
  const vary = variationsOf(flags);
  const given = flags.list("build-arg").some((arg) => arg === EPOCH || arg.startsWith(`${EPOCH}=`));
  const env = { ...shell.env };
  if (!given && (env[EPOCH] ?? "") === "") {
    env[EPOCH] = "0";
    shell.stderr.write(`${EPOCH} is not set: 0 is taken\n`);
  }
  const home = mkdtempSync(join(tmpdir(), "slipway-repro-"));
  const keep = flags.string("keep");
  const images = keep === "" ? join(home, "images") : resolve(shell.cwd, keep);
  const inMemory = vary.has("files") && mountMemory(join(home, "b"), shell);
  try {
    const first = await oneBuild(invocation, { name: "a", home, images, env, shell });
    if (first !== 0) return first;
    // Times in images are whole seconds.
    if (vary.has("time")) await sleep(2100);
    const second = await varied(vary, () =>
      oneBuild(invocation, { name: "b", home, images, env, shell: vary.has("order") ? shuffling(shell) : shell }),
    );
    if (second !== 0) return second;
    const { digests, differences } = await compareImages(join(images, "a"), join(images, "b"));
    return report(invocation, digests, differences);
  } finally {
    if (inMemory) unmount(join(home, "b"));
    removeTree({ path: byteString(home) });
  }
}

interface BuildPlace {
  readonly name: "a" | "b";
  readonly home: string;
  readonly images: string;
  readonly env: Shell["env"];
  readonly shell: Shell;
}

function oneBuild(invocation: Invocation, { name, home, images, env, shell }: BuildPlace): Promise<number> {
  const flags = new FlagValues(build.flags);
  for (const definition of build.flags) {
    const isOurs = invocation.command.flags.includes(definition);
    if (isOurs && invocation.flags.has(definition.name))
      for (const text of invocation.flags.list(definition.name)) flags.set(definition, text);
  }
  const set = (flag: string, text: string) =>
    flags.set(
      build.flags.find((each) => each.name === flag)!,
      text,
    );
  const compression = invocation.flags.string("compression");
  const image = join(images, name);
  if (existsSync(join(image, "index.json"))) throw new Error(`${image} holds an image already; give another folder`);
  mkdirSync(image, { recursive: true });
  set(
    "output",
    csvOutput(["type=oci", "tar=false", `dest=${image}`, "rewrite-timestamp=true", `compression=${compression}`]),
  );
  set("provenance", "false");
  set("sbom", "false");
  invocation.shell.stderr.write(`${name === "a" ? "First" : "\nSecond"} build\n`);
  return runBuild({
    ...invocation,
    command: build,
    flags,
    root: join(home, name, "store"),
    shell: Object.defineProperties({} as Shell, {
      ...Object.getOwnPropertyDescriptors(shell),
      env: { value: env },
      // What a build says is no part of the verdict.
      stdout: { value: shell.stderr },
    }),
  });
}

function csvOutput(fields: readonly string[]): string {
  return fields.map((field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}

function shuffling(shell: Shell): Shell {
  const openBuilder: Shell["openBuilder"] = (options) =>
    shell.openBuilder({ ...options, shuffled: true, parallelism: 1 });
  // Copied with its getters: merely looking at stdin opens it.
  return Object.defineProperties({} as Shell, {
    ...Object.getOwnPropertyDescriptors(shell),
    openBuilder: { value: openBuilder },
  });
}

async function varied<T>(vary: ReadonlySet<Variation>, work: () => Promise<T>): Promise<T> {
  const umask = vary.has("umask") ? process.umask(0o027) : undefined;
  const zone = process.env["TZ"];
  if (vary.has("timezone")) process.env["TZ"] = zone === "Asia/Kathmandu" ? "UTC" : "Asia/Kathmandu";
  try {
    return await work();
  } finally {
    if (umask !== undefined) process.umask(umask);
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  }
}

/** A store in memory for the second build; false, and why, where that can't be. */
function mountMemory(path: string, shell: Shell): boolean {
  mkdirSync(path);
  const why = memoryProblem(shell);
  if (why === undefined) {
    try {
      mount("tmpfs", path, "tmpfs", 0, `mode=0700,size=${Math.floor(freeMemory() / 2)}`);
      return true;
    } catch (error) {
      shell.stderr.write(`order of files is not varied: ${(error as Error).message}\n`);
      return false;
    }
  }
  shell.stderr.write(`order of files is not varied: ${why}\n`);
  return false;
}

function memoryProblem({ env }: Shell): string | undefined {
  if (env["SLIPWAY_NAMESPACE"] !== "private") return "there is no mount namespace of our own";
  return freeMemory() / 2 < LEAST_MEMORY_BYTES ? "there is too little memory for a store" : undefined;
}

function freeMemory(): number {
  const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? "0";
  return Number(kilobytes) * 1024;
}

function variationsOf(flags: Invocation["flags"]): Set<Variation> {
  if (!flags.has("vary")) return new Set(variations);
  return new Set(
    flags.list("vary").map((name) => {
      const known = variations.find((each) => each === name);
      if (known === undefined) throw new Error(`can't vary ${JSON.stringify(name)}, only ${variations.join(", ")}`);
      return known;
    }),
  );
}

function report({ flags, shell }: Invocation, digests: readonly string[], differences: readonly Difference[]): number {
  const { stdout } = shell;
  if (differences.length === 0) {
    stdout.write(`reproducible: ${digests[0]}\n`);
    return 0;
  }
  stdout.write(`not reproducible:\n  a ${digests[0]}\n  b ${digests[1]}\n\n`);
  for (const { where, field, values } of differences.slice(0, MOST_SHOWN)) {
    stdout.write(`${where}: ${field}\n  a ${values[0]}\n  b ${values[1]}\n`);
  }
  const left = differences.length - MOST_SHOWN;
  if (left > 0) stdout.write(`and ${left} more differences\n`);
  if (flags.string("keep") === "") stdout.write("\n--keep DIR leaves both images in DIR\n");
  return 1;
}
