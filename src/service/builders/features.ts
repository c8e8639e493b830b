// What a builder can do, row by row: the page that BuildKit's users look for in vain. For builders elsewhere each answer comes from the
// builder itself, at the time of asking. Counterpart: docker/buildx driver features.

import { formatAllPlatform, normalizePlatform } from "../../formats/oci/index.ts";
import type { Capabilities } from "../client/index.ts";
import type { DriverName } from "../builder-store/index.ts";

export interface Feature {
  readonly group: string;
  readonly name: string;
  readonly has: boolean;
  /** What it has of it, or why not and what to do. */
  readonly note: string;
}

/** Label of an engine's worker whose images are in containerd's store. */
const SNAPSHOTTER = "org.mobyproject.buildkit.worker.snapshotter";

/** Whether an engine's own BuildKit exports more than images: with containerd's store only. */
export function exportsFreely(driver: DriverName, { workers }: Pick<Capabilities, "workers">): boolean {
  return driver !== "docker" || workers.some(({ Labels }) => Labels[SNAPSHOTTER] !== undefined);
}

const CLASSIC =
  'not with the engine\'s classic image store: switch to containerd\'s ("features": {"containerd-snapshotter": true} in daemon.json), or use another builder';

/** The platforms that workers say they have, the first one's own first. */
export function workerPlatforms(workers: Capabilities["workers"]): string[] {
  const all = workers.flatMap((each) =>
    each.platforms.map(({ OS, Architecture, Variant }) =>
      formatAllPlatform(
        normalizePlatform({ os: OS, architecture: Architecture, ...(Variant === "" ? {} : { variant: Variant }) }),
      ),
    ),
  );
  return [...new Set(all)];
}

/** The rows of a builder elsewhere. */
export function remoteFeatures(driver: DriverName, capabilities: Capabilities): Feature[] {
  const { llb, frontend, workers } = capabilities;
  const free = exportsFreely(driver, capabilities);
  const platforms = workerPlatforms(workers);
  const isEngine = driver === "docker";
  const row = (group: string, name: string, has: boolean, note = "") => ({ group, name, has, note });
  const whenFree = (group: string, name: string, note = "") => row(group, name, free, free ? note : CLASSIC);
  const capability = (group: string, name: string, cap: string, set = llb) =>
    row(
      group,
      name,
      set.has(cap),
      set.has(cap) ? "" : `the builder does not offer ${cap}: it is too old, or was built without it`,
    );
  return [
    whenFree("cache export", "local"),
    row("cache export", "registry", true, free ? "" : "as inline only"),
    row("cache export", "inline", true),
    free ? capability("cache export", "gha", "cache.gha") : whenFree("cache export", "gha"),
    free ? capability("cache export", "s3", "cache.s3") : whenFree("cache export", "s3"),
    free ? capability("cache export", "azblob", "cache.azblob") : whenFree("cache export", "azblob"),
    row(
      "output",
      "image",
      true,
      isEngine ? "in the engine's store" : "in the builder's cache; add push=true or --load to have it elsewhere",
    ),
    row("output", "local, tar", true),
    whenFree("output", "oci, docker"),
    capability("output", "several at once", "exporter.multiple"),
    capability("output", "annotations", "exporter.image.annotations"),
    capability("output", "SOURCE_DATE_EPOCH", "exporter.sourcedateepoch"),
    row("images", "push", true, isEngine && !free ? "by the engine, after the build" : "from the builder"),
    row(
      "images",
      "load",
      true,
      isEngine ? "nothing is sent: it is made there" : "the whole image is sent through an archive",
    ),
    free ? capability("images", "attestations", "exporter.image.attestations") : whenFree("images", "attestations"),
    row("images", "multi-platform", free && platforms.length > 0, free ? platforms.join(", ") : CLASSIC),
    row("frontends", "dockerfile.v0", true),
    capability("frontends", "subrequests (--call)", "frontend.caps", frontend),
    capability("frontends", "inputs (target: contexts)", "frontend.inputs", frontend),
    capability("frontends", "images (# syntax=)", "return", frontend),
    capability("steps", "merge, diff", "mergeop"),
    capability("steps", "secrets in the environment", "exec.secretenv"),
    capability("steps", "host network", "exec.meta.network"),
    capability("steps", "insecure", "exec.meta.security"),
    capability("steps", "devices (CDI)", "exec.meta.cdi"),
    capability("steps", "resource limits", "exec.meta.linux.resources"),
    capability("sources", "git checksums", "source.git.checksum"),
    capability("sources", "OCI layouts", "source.ocilayout"),
    capability("sources", "policies", "source.policy"),
  ];
}

/** The rows of the builder in this process, which runs steps of `platforms`. */
export function embeddedFeatures(platforms: readonly string[]): Feature[] {
  const row = (group: string, name: string, has: boolean, note = "") => ({ group, name, has, note });
  const later = "not in this version";
  return [
    row("cache export", "local", true, "merged, bounded by max-size and max-age, cache mounts included"),
    row("cache export", "registry", true, "merged"),
    row("cache export", "inline", true),
    row("cache export", "gha", false, later),
    row("cache export", "s3", false, later),
    row("cache export", "azblob", false, later),
    row("output", "image", true, "kept in the store"),
    row("output", "local, tar", true),
    row("output", "oci, docker", true),
    row("output", "several at once", true),
    row("output", "annotations", true),
    row("output", "SOURCE_DATE_EPOCH", true),
    row("images", "push", true, "only layers that the registry lacks"),
    row("images", "load", true, "only layers that the engine lacks"),
    row("images", "attestations", true),
    row("images", "multi-platform", true, platforms.join(", ")),
    row("frontends", "dockerfile.v0", true),
    row("frontends", "subrequests (--call)", true),
    row("frontends", "inputs (target: contexts)", true),
    row("frontends", "images (# syntax=)", true, "the official Dockerfile frontends are served without their image"),
    row("steps", "merge, diff", true),
    row("steps", "secrets in the environment", true),
    row("steps", "host network", true, "with --allow network.host"),
    row("steps", "insecure", true, "with --allow security.insecure"),
    row("steps", "devices (CDI)", false, later),
    row("steps", "resource limits", true),
    row("sources", "git checksums", true),
    row("sources", "OCI layouts", true),
    row("sources", "policies", false, later),
  ];
}
