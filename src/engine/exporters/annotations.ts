// Annotations that are asked for by name: `annotation[-manifest|-index|…][platform].key=value`, among an exporter's attributes and
// in a frontend's metadata. Counterpart: moby/buildkit exporter/containerimage/annotations.go, exptypes/annotations.go.

import { BuildError } from "../../base/index.ts";
import { formatAllPlatform, normalizePlatform, parsePlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";

const KEY = /^annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)$/;
const kinds = ["index", "index-descriptor", "manifest", "manifest-descriptor"] as const;

export type AnnotationKind = (typeof kinds)[number];

export interface Annotation {
  readonly kind: AnnotationKind;
  /** Platform as text; empty for all. */
  readonly platform: string;
  readonly key: string;
  readonly value: string;
}

/** The annotation that an attribute asks for; undefined for other attributes. @throws EXPORT_ATTRIBUTE_INVALID, INVALID_PLATFORM. */
export function readAnnotation(attribute: string, value: string): Annotation | undefined {
  const match = KEY.exec(attribute);
  if (match === null) return undefined;
  const [, type = "manifest", platform = "", key] = match;
  const kind = kinds.find((each) => each === type);
  if (kind === undefined) {
    throw new BuildError(`unrecognized annotation type ${type}`, {
      code: "EXPORT_ATTRIBUTE_INVALID",
      status: "InvalidArgument",
      hint: `known types are ${kinds.join(", ")}`,
    });
  }
  return {
    kind,
    platform: platform === "" ? "" : formatAllPlatform(normalizePlatform(parsePlatform(platform))),
    key: key!,
    value,
  };
}

/** The annotations of one kind, those of a single platform over those of all; index annotations are never a platform's. */
export function annotationsFor(
  all: readonly Annotation[],
  kind: AnnotationKind,
  platform?: Platform,
): Record<string, string> {
  const ofIndex = kind === "index" || kind === "index-descriptor";
  const wanted = platform === undefined ? "" : formatAllPlatform(platform);
  const chosen = all.filter(
    (each) => each.kind === kind && (ofIndex || each.platform === "" || each.platform === wanted),
  );
  const ordered = chosen.toSorted((a, b) => Number(a.platform !== "") - Number(b.platform !== ""));
  return Object.fromEntries(ordered.map(({ key, value }) => [key, value]));
}
