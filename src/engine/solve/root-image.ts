// An image to run: found in the store under its name, in an OCI layout, or pulled and then kept, and its layers unpacked. What was built
// here is used as the build left it: nothing is packed, fetched or unpacked again.

import { existsSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { BuildError, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import {
  familiarString,
  formatAllPlatform,
  hostPlatform,
  normalizePlatform,
  parseImageConfig,
  parseManifest,
  parsePlatform,
  parseReference,
  platformOf,
  isIndexType,
  parseIndex,
  strictMatcher,
  tagNameOnly,
  referenceString,
} from "../../formats/oci/index.ts";
import type { ImageConfig, Platform } from "../../formats/oci/index.ts";
import type { Ref } from "../../storage/refs/index.ts";
import { canRun, cannotRun } from "../executor/index.ts";
import type { KeptImage } from "../exporters/index.ts";
import type { ImageSource, OciLayoutSource, ResolvedImage } from "../sources/index.ts";
import type { Store } from "../store/index.ts";
import { keptRef } from "./kept-ref.ts";

export interface RootImageOptions {
  /** Defaults to this machine's, or to the only one there is. */
  readonly platform?: string | undefined;
  /** Where it is looked for; "missing": here, else the registry. */
  readonly pull: "missing" | "always" | "never";
  /** Told what a user waits for, a line at a time. */
  readonly onNotice: (text: string) => void;
  /** Relative folders of layouts are looked for here. */
  readonly cwd: string;
  readonly signal?: AbortSignal | undefined;
}

/** An image whose layers are on disk. */
export interface RootImage {
  /** Whole, as `docker.io/library/app:latest`; a path for layouts. */
  readonly reference: string;
  /** What the reference names: a manifest's or an index's. */
  readonly digest: Digest;
  readonly manifestDigest: Digest;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  readonly platform: string;
  /** Held by this process until released. */
  readonly ref: Ref;
}

interface Sources {
  readonly store: Store;
  readonly images: ImageSource;
  readonly layouts: OciLayoutSource;
}

/** @throws IMAGE_NOT_FOUND, REGISTRY_*, NO_MATCHING_PLATFORM, FOREIGN_PLATFORM, INVALID_LAYOUT, … */
export async function openRootImage(text: string, options: RootImageOptions, sources: Sources): Promise<RootImage> {
  const wanted = options.platform === undefined ? undefined : normalizePlatform(parsePlatform(options.platform));
  const layout = layoutOf(text, options.cwd);
  let found: RootImage;
  if (layout !== undefined) found = await fromLayout(layout, wanted, options, sources);
  else {
    const here = options.pull === "always" ? undefined : findHere(text, wanted, sources.store);
    found = here ?? (await fromRegistry(text, wanted, options, sources));
  }
  const platform = parsePlatform(found.platform);
  try {
    if (!canRun(platform)) throw cannotRun(text, platform);
    await sources.store.refs.unpack(found.ref, options.signal);
  } catch (error) {
    sources.store.refs.release(found.ref);
    throw error;
  }
  return found;
}

/** `oci-layout://DIR[:tag|@digest]`, or a path of a folder that is a layout. */
function layoutOf(text: string, cwd: string): { directory: string; reference: string } | undefined {
  const given = text.startsWith("oci-layout://") ? text.slice("oci-layout://".length) : text;
  if (given === text && !/^(\.{0,2}\/|\.{1,2}$)/.test(text)) return undefined;
  const whole = resolvePath(cwd, given);
  if (existsSync(join(whole, "oci-layout"))) return { directory: whole, reference: "layout" };
  const at = Math.max(given.lastIndexOf("@"), given.lastIndexOf(":"));
  const name = given.includes("@") ? given.indexOf("@") : at;
  if (name > given.lastIndexOf("/"))
    return { directory: resolvePath(cwd, given.slice(0, name)), reference: `layout${given.slice(name)}` };
  return { directory: whole, reference: "layout" };
}

async function fromLayout(
  { directory, reference }: { directory: string; reference: string },
  wanted: Platform | undefined,
  options: RootImageOptions,
  { store, layouts }: Sources,
): Promise<RootImage> {
  const image = await layouts.resolve(reference, { directory, platform: wanted ?? hostPlatform() }, options.signal);
  return { ...factsOf(image, store), reference: `oci-layout://${directory}` };
}

function findHere(text: string, wanted: Platform | undefined, store: Store): RootImage | undefined {
  const image = store.images.get(text) ?? byDigest(text, store);
  if (image === undefined) return undefined;
  const manifests = manifestsOf(image, store);
  const host = normalizePlatform(hostPlatform());
  const usable = manifests.filter(
    ({ platform }) => wanted === undefined || strictMatcher(wanted).matches(normalizePlatform(platform)),
  );
  const best =
    usable.find(({ platform }) => strictMatcher(host).matches(normalizePlatform(platform))) ??
    usable.find(({ platform }) => canRun(platform)) ??
    usable[0];
  if (best === undefined) return undefined;
  const ref = keptRef(store, best.digest);
  if (ref === undefined) return undefined;
  return {
    reference: image.name,
    digest: image.digest,
    manifestDigest: best.digest,
    configDigest: best.configDigest,
    config: best.config,
    platform: formatAllPlatform(normalizePlatform(best.platform)),
    ref,
  };
}

interface PlatformManifest {
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly config: ImageConfig;
  readonly platform: Platform;
}

function manifestsOf(image: KeptImage, { content }: Store): PlatformManifest[] {
  const digests = isIndexType(image.mediaType)
    ? parseIndex(content.read(image.digest))
        .manifests.filter(({ platform }) => platform?.os !== "unknown")
        .map(({ digest }) => digest)
    : [image.digest];
  return digests.flatMap((digest) => {
    if (!content.has(digest)) return [];
    const configDigest = parseManifest(content.read(digest)).config.digest;
    const config = parseImageConfig(content.read(configDigest));
    return [{ digest, configDigest, config, platform: platformOf(config) }];
  });
}

/** By a beginning of the digest of an image, one of its manifests or its config. */
function byDigest(text: string, store: Store): KeptImage | undefined {
  const hex = text.replace(/^.*@/, "").replace(/^sha256:/, "");
  if (!/^[0-9a-f]{4,64}$/.test(hex)) return undefined;
  const named = store.images
    .list()
    .filter(({ digest, blobs }) => [digest, ...blobs].some((each) => each.slice(7).startsWith(hex)));
  if (new Set(named.map(({ digest }) => digest)).size > 1) {
    throw new BuildError(`more than one image begins with ${text}`, {
      code: "IMAGE_AMBIGUOUS",
      status: "InvalidArgument",
    });
  }
  return named[0];
}

async function fromRegistry(
  text: string,
  wanted: Platform | undefined,
  options: RootImageOptions,
  { store, images }: Sources,
): Promise<RootImage> {
  const reference = tagNameOnly(parseReference(text));
  const familiar = familiarString(reference);
  if (options.pull === "never") {
    throw new BuildError(`No such image: ${familiar}`, {
      code: "IMAGE_NOT_FOUND",
      status: "NotFound",
      hint: "`slipway images` lists what is kept; --pull=missing asks the registry too",
    });
  }
  if (options.pull === "missing") options.onNotice(`Unable to find image '${familiar}' locally`);
  const { signal } = options;
  let image: ResolvedImage;
  try {
    image = await images.resolve(text, { platform: wanted ?? hostPlatform(), mode: "pull" }, signal);
  } catch (error) {
    if (isBuildError(error) && error.code === "NO_MATCHING_PLATFORM") throw error;
    throw isBuildError(error) ? error.with({ hint: "`slipway images` lists what is kept here" }) : error;
  }
  options.onNotice(`Pulling ${familiar}: ${image.layers.length} layers`);
  const facts = factsOf(image, store);
  try {
    await store.refs.unpack(facts.ref, signal);
  } catch (error) {
    store.refs.release(facts.ref);
    throw error;
  }
  const name = referenceString(reference);
  // The platform's manifest alone: other platforms' are not here.
  store.images.put(
    {
      name,
      digest: image.manifestDigest,
      mediaType: image.manifest.mediaType,
      sizeBytes: image.manifest.config.size + image.layers.reduce((sum, each) => sum + each.descriptor.size, 0),
      platforms: [facts.platform],
      refs: [facts.ref.id],
    },
    [store.content.read(image.manifestDigest), image.configBytes],
  );
  options.onNotice(`Digest: ${image.digest}`);
  options.onNotice(`Status: Downloaded newer image for ${familiar}`);
  return { ...facts, reference: name };
}

function factsOf(image: ResolvedImage, store: Store): RootImage {
  const ref =
    keptRef(store, image.manifestDigest) ??
    store.refs.fromImage(image.layers, image.remote, { description: `pulled from ${image.ref}` });
  return {
    reference: image.ref,
    digest: image.digest,
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    config: image.config,
    platform: formatAllPlatform(normalizePlatform(platformOf(image.config))),
    ref,
  };
}
