// Which targets need which others: `target:` contexts as the file has them, and images that one target makes and another starts from.
// The latter is ours: bake looks such an image up in a registry, where it usually isn't.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { BuildError } from "../base/index.ts";
import {
  contextKey,
  parsePlatform,
  formatAllPlatform,
  normalizePlatform,
  tryParseReference,
} from "../formats/oci/index.ts";
import type { Target } from "../frontends/bake/index.ts";
import { isRemote } from "../frontends/bake/index.ts";
import { loadBaseImages } from "../frontends/dockerfile/index.ts";
import { dockerfilePath } from "./bake-checks.ts";

/** Contexts of a target that are other targets' results: names of contexts to names of targets. */
export type Links = ReadonlyMap<string, ReadonlyMap<string, string>>;

export interface LinkOptions {
  readonly cwd: string;
  /** Link images that targets start from to the targets that make them. */
  readonly images: boolean;
  /** Platforms of targets that name none. */
  readonly defaultPlatform: string;
}

/** Finds every link. @throws BAKE_LINK_CYCLE. */
export async function findLinks(targets: ReadonlyMap<string, Target>, options: LinkOptions): Promise<Links> {
  const links = new Map<string, Map<string, string>>();
  for (const [name, target] of targets) {
    const own = new Map<string, string>();
    for (const [context, value] of target.contexts ?? []) {
      if (value.startsWith("target:")) own.set(context, value.slice("target:".length));
    }
    links.set(name, own);
  }
  if (options.images) await addImageLinks(targets, links, options);
  for (const name of targets.keys()) checkCycle(links, name, []);
  return links;
}

async function addImageLinks(
  targets: ReadonlyMap<string, Target>,
  links: ReadonlyMap<string, Map<string, string>>,
  options: LinkOptions,
): Promise<void> {
  const makers = new Map<string, string>();
  for (const [name, { tags = [] }] of targets) {
    for (const key of tags.flatMap(imageKey)) if (!makers.has(key)) makers.set(key, name);
  }
  if (makers.size === 0) return;
  const baseImages = await loadBaseImages();
  for (const [name, target] of targets) {
    const text = dockerfileOf(target, options.cwd);
    if (text === undefined) continue;
    const args = new Map([...(target.args ?? [])].flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
    for (const key of baseImages(text, args).flatMap(imageKey)) {
      const maker = makers.get(key);
      const taken = [...(target.contexts?.keys() ?? [])].flatMap(imageKey).includes(key);
      if (maker === undefined || maker === name || taken || !covers(targets.get(maker)!, target, options)) continue;
      links.get(name)!.set(key, maker);
    }
  }
}

/** A target can start from another one's image where that is made for all of its platforms. */
function covers(maker: Target, user: Target, { defaultPlatform }: LinkOptions): boolean {
  const platforms = ({ platforms: given = [] }: Target) => {
    const names = given.flatMap((each) => each.split(",")).filter((each) => each.trim() !== "");
    return (names.length === 0 ? [defaultPlatform] : names).map((each) =>
      each.trim() === "local" ? defaultPlatform : formatAllPlatform(normalizePlatform(parsePlatform(each.trim()))),
    );
  };
  const made = platforms(maker);
  return platforms(user).every((each) => made.includes(each));
}

function imageKey(name: string): string[] {
  const reference = tryParseReference(name);
  return reference === undefined ? [] : [contextKey(reference)];
}

function dockerfileOf(target: Target, cwd: string): Uint8Array | undefined {
  if (target["dockerfile-inline"] !== undefined) return Buffer.from(target["dockerfile-inline"]);
  const path = dockerfilePath(target);
  if (isRemote(path) || isRemote(target.context ?? ".")) return undefined;
  try {
    return readFileSync(resolve(cwd, path));
  } catch {
    return undefined; // building says what is wrong with it
  }
}

function checkCycle(links: Links, name: string, above: readonly string[]): void {
  if (above.includes(name)) {
    const cycle = [...above.slice(above.indexOf(name)), name];
    throw new BuildError(`targets need each other: ${cycle.join(" needs ")}`, {
      code: "BAKE_LINK_CYCLE",
      status: "InvalidArgument",
      hint: "with --link-images=false images are looked up in their registry instead, as docker buildx bake does",
    });
  }
  for (const next of links.get(name)?.values() ?? []) checkCycle(links, next, [...above, name]);
}
