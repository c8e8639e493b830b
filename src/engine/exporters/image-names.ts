// The names that an image is exported under. Counterpart: moby/buildkit exporter/oci/export.go normalizedNames; containerd's
// core/images/archive/reference.go ociReferenceName.

import { BuildError, isBuildError } from "../../base/index.ts";
import {
  familiarString,
  parseReference,
  referenceString,
  tagNameOnly,
  tryParseReference,
} from "../../formats/oci/index.ts";

/** Full names of a list with commas; a name without a tag means `latest`. @throws INVALID_REFERENCE. */
export function normalizedNames(list: string): string[] {
  if (list === "") return [];
  return list.split(",").map((name) => {
    try {
      return referenceString(tagNameOnly(parseReference(name)));
    } catch (error) {
      if (!isBuildError(error)) throw error;
      throw new BuildError(`failed to parse ${name}: ${error.message}`, {
        code: error.code,
        status: error.status,
        hint: error.hint ?? "names look like registry.example/team/app:tag",
        cause: error,
      });
    }
  });
}

/** What `name` stands for: `*` is the frontend's own name for the image. */
export function chosenName(
  name: string,
  metadata: Readonly<Record<string, Uint8Array>>,
  overrides: ReadonlyMap<string, string>,
): string {
  if (name !== "*") return name;
  const given = metadata["image.name"];
  return overrides.get("image.name") ?? (given === undefined ? name : Buffer.from(given).toString("utf8"));
}

/** What an OCI layout calls the image: its tag; the whole name where it has none. */
export function layoutRefName(name: string): string {
  return tryParseReference(name)?.tag ?? name;
}

/** As people write it: `hello:latest` for `docker.io/library/hello:latest`. */
export function repoTag(name: string): string {
  return familiarString(tagNameOnly(parseReference(name)));
}
