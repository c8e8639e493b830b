// The files of an OCI layout besides its blobs, and the archive of them all. Docker's variant has a manifest.json too, which old
// Docker Engines read. Spec: OCI image-spec v1.1 image-layout.md. Counterpart: containerd core/images/archive/exporter.go.

import { hexOf } from "../../base/index.ts";
import { encodeIndex, goJson, mediaTypes, parseIndex } from "../../formats/oci/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { AssembledImage } from "./image-assembler.ts";
import { layoutRefName, repoTag } from "./image-names.ts";
import type { ArchiveEntry, BlobSource } from "./write-archive.ts";

const IMAGE_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";

/** Bytes of `oci-layout`. */
export const layoutMarker: Uint8Array = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

/** The index entries of an image: one for each name, one without a name where there is none. */
export function namedDescriptors(root: Descriptor, names: readonly string[]): Descriptor[] {
  if (names.length === 0) return [root];
  return names.map((name) => ({
    ...root,
    annotations: { ...root.annotations, [IMAGE_NAME]: name, [REF_NAME]: layoutRefName(name) },
  }));
}

/** Bytes of `index.json`. */
export function layoutIndex(manifests: readonly Descriptor[]): Uint8Array {
  return encodeIndex({ mediaType: mediaTypes.ociIndex, manifests });
}

/**
 * Bytes of a layout directory's index with the image put in: an entry of the same name gives way. Without a name it is `latest`.
 *
 * @throws INVALID_IMAGE when the index that is there can't be read.
 */
export function mergedLayoutIndex(
  existing: Uint8Array | undefined,
  root: Descriptor,
  names: readonly string[],
): Uint8Array {
  const added: Descriptor[] =
    names.length > 0
      ? namedDescriptors(root, names)
      : [{ ...root, annotations: { ...root.annotations, [REF_NAME]: "latest" } }];
  const isReplaced = (old: Descriptor): boolean =>
    added.some((each) =>
      [IMAGE_NAME, REF_NAME].every((key) => (each.annotations?.[key] ?? "") === (old.annotations?.[key] ?? "")),
    );
  const index =
    existing === undefined || existing.length === 0
      ? { mediaType: mediaTypes.ociIndex, manifests: [] }
      : parseIndex(existing);
  return encodeIndex({ ...index, manifests: [...index.manifests.filter((old) => !isReplaced(old)), ...added] });
}

/** The archive's entries in its order, which is that of their names. */
export function archiveEntries(
  image: AssembledImage,
  blobs: readonly BlobSource[],
  files: { readonly root: Descriptor; readonly names: readonly string[]; readonly forDocker: boolean },
): ArchiveEntry[] {
  const bytes = (path: string, mode: number, content: Uint8Array): ArchiveEntry => ({
    kind: "bytes",
    path,
    mode,
    bytes: content,
  });
  const entries: ArchiveEntry[] = [
    { kind: "dir", path: "blobs", mode: 0o755 },
    { kind: "dir", path: "blobs/sha256", mode: 0o755 },
    ...blobs.map((blob): ArchiveEntry => ({ kind: "blob", path: blobPath(blob.digest), mode: 0o444, blob })),
    bytes("index.json", 0o644, layoutIndex(namedDescriptors(files.root, files.names))),
    ...(files.forDocker ? [bytes("manifest.json", 0o644, dockerManifest(image, files.names))] : []),
    bytes("oci-layout", 0o444, layoutMarker),
  ];
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Bytes of `manifest.json`, as `docker save` writes it. */
function dockerManifest(image: AssembledImage, names: readonly string[]): Uint8Array {
  const manifests = image.images.map(({ config, layers }) => ({
    Config: blobPath(config.digest),
    RepoTags: names.length === 0 ? null : names.map(repoTag),
    Layers: layers.map(({ digest }) => blobPath(digest)),
  }));
  return Buffer.from(goJson(manifests));
}

function blobPath(digest: Descriptor["digest"]): string {
  return `blobs/sha256/${hexOf(digest)}`;
}
