// `--build-context NAME=VALUE`: folders of this machine, images, OCI layouts, repositories and files from the web.
// Counterpart: docker/buildx build/opt.go loadInputs, util/ocilayout.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BuildError } from "../base/index.ts";
import { contextKey, parseIndex, parseReference } from "../formats/oci/index.ts";
import { cut } from "./build-values.ts";
import { Failure } from "./error.ts";
import { isRemote, reasonOf } from "./input-paths.ts";

export interface NamedContextsOptions {
  /** `NAME=VALUE` entries. */
  readonly contexts: readonly string[];
  readonly cwd: string;
  /** Local sources of the session, added to. */
  readonly dirs: Map<string, string>;
  /** Frontend attributes, added to. */
  readonly attributes: Map<string, string>;
}

/** Adds what the entries name. @throws Error or BuildError in buildx's words. */
export async function addNamedContexts({ contexts, cwd, dirs, attributes }: NamedContextsOptions): Promise<void> {
  for (const text of contexts.filter((value) => value !== "")) {
    const { key, value } = cut(text, "=");
    if (value === undefined) throw new Error(`invalid context value: ${text}, expected key=value`);
    const name = contextKey(Failure.of(`invalid context name ${key}`, () => parseReference(key)));
    attributes.set("frontend.caps", "moby.buildkit.frontend.contexts+forward");
    if (value.startsWith("docker-image://") || value.startsWith("target:") || isRemote(value)) {
      attributes.set(`context:${name}`, value);
      continue;
    }
    if (value.startsWith("oci-layout://")) {
      const { directory, digest } = await layoutOf(value, cwd);
      // The same layout has the same name in every build.
      const storeId = createHash("sha256").update(directory).digest("hex").slice(0, 25);
      dirs.set(storeId, directory);
      attributes.set(`context:${name}`, `oci-layout://${storeId}@${digest}`);
      continue;
    }
    const path = resolve(cwd, value);
    const info = await stat(path).catch((error: unknown) => {
      throw new Error(`failed to get build context ${name}: stat ${value}: ${reasonOf(error)}`, { cause: error });
    });
    if (!info.isDirectory()) throw new Error(`failed to get build context path ${value}: not a directory`);
    const local = name === "context" || name === "dockerfile" ? `_${name}` : name;
    dirs.set(local, path);
    attributes.set(`context:${name}`, `local:${local}`);
  }
}

const IMAGE_NAMES = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

/** `oci-layout://DIR[:TAG][@DIGEST]`; without a digest, index.json is asked for the tag, or for its only image. */
async function layoutOf(text: string, cwd: string): Promise<{ directory: string; digest: string }> {
  const { key: place, value: digest } = cut(text.slice("oci-layout://".length), "@");
  if (digest !== undefined && !/^sha256:[a-f0-9]{64}$/.test(digest)) {
    throw new Error(`invalid oci-layout reference ${JSON.stringify(text)}: invalid checksum digest format`);
  }
  const match = /^(.+):([\w][\w.-]{0,127})$/.exec(place);
  const [path, tag] = match === null ? [place, undefined] : [match[1]!, match[2]!];
  if (path === "") throw new Error(`invalid oci-layout reference ${JSON.stringify(text)}: no folder`);
  const directory = resolve(cwd, path);
  if (digest !== undefined) return { directory, digest };
  const bytes = await readFile(join(directory, "index.json")).catch((error: unknown) => {
    throw new BuildError(`oci-layout reference ${JSON.stringify(text)} could not be resolved: ${reasonOf(error)}`, {
      code: "INVALID_LAYOUT",
      status: "InvalidArgument",
      hint: "the part after oci-layout:// is a folder with index.json and blobs, as -o type=oci,tar=false,dest=DIR writes it",
    });
  });
  const { manifests } = parseIndex(bytes);
  const wanted = tag ?? "latest";
  const named = manifests.find(({ annotations }) =>
    IMAGE_NAMES.some((name) => {
      const value = annotations?.[name];
      return value === wanted || value?.endsWith(`:${wanted}`) === true;
    }),
  );
  const found = named ?? (tag === undefined && manifests.length === 1 ? manifests[0] : undefined);
  if (found !== undefined) return { directory, digest: found.digest };
  const known = manifests.flatMap(({ annotations }) => annotations?.[IMAGE_NAMES[0]!] ?? []);
  throw new BuildError(`oci-layout reference ${JSON.stringify(text)} could not be resolved: no image ${wanted}`, {
    code: "IMAGE_NOT_FOUND",
    status: "NotFound",
    hint:
      known.length > 0
        ? `the layout has ${known.join(", ")}`
        : "name an image by its digest: oci-layout://DIR@sha256:…",
  });
}
