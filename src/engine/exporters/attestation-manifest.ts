// The manifest that holds a platform's attestations in an image's index: a statement a layer, platform unknown/unknown, tied to the
// platform's manifest by annotations and, as an OCI artifact, by its subject.
// Spec: OCI image-spec v1.1; docs of BuildKit attestations/attestation-storage. Counterpart: moby/buildkit
// exporter/containerimage/writer.go commitAttestationsManifest.

import { digestOf } from "../../base/index.ts";
import { goJson, imagePurl, mediaTypes } from "../../formats/oci/index.ts";
import type { Descriptor, Platform } from "../../formats/oci/index.ts";
import { digestMap, statementJson } from "./attestation.ts";
import type { MadeAttestation, Subject } from "./attestation.ts";
import type { SmallBlob } from "./image-assembler.ts";
import { indentJson } from "./raw-json.ts";

const STATEMENT_TYPE = "application/vnd.in-toto+json";
const ARTIFACT_TYPE = "application/vnd.docker.attestation.manifest.v1+json";
const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
const EMPTY = Buffer.from("{}");
const UNKNOWN: Platform = { architecture: "unknown", os: "unknown" };

export interface AttestationOptions {
  /** The image's names, each becomes a subject. */
  readonly names: readonly string[];
  readonly platform: Platform;
  /** As an artifact with a subject; else as an image with a config. */
  readonly asArtifact: boolean;
}

/** The manifest of what is said of `target`, a platform's manifest, and all of its blobs, the manifest last. */
export function attestationManifest(
  target: Descriptor,
  attestations: readonly MadeAttestation[],
  options: AttestationOptions,
): { readonly manifest: Descriptor; readonly blobs: readonly SmallBlob[] } {
  const itself = options.names.map((name): Subject => ({
    name: imagePurl("docker", name, options.platform),
    digest: digestMap(target.digest),
  }));
  const statements = attestations.map((each): SmallBlob & { type: string } => {
    const bytes = Buffer.from(statementJson(each, itself));
    return { kind: "statement", digest: digestOf(bytes), bytes, type: each.predicateType };
  });
  const config = options.asArtifact ? EMPTY : Buffer.from(imageConfig(statements));
  const layers = statements.map(({ digest, bytes, type }) => ({
    mediaType: STATEMENT_TYPE,
    digest,
    size: bytes.byteLength,
    annotations: { "in-toto.io/predicate-type": type },
  }));
  const mediaType = mediaTypes.ociManifest;
  const manifest = goJson({
    schemaVersion: 2,
    mediaType,
    artifactType: options.asArtifact ? ARTIFACT_TYPE : undefined,
    config: {
      mediaType: options.asArtifact ? EMPTY_TYPE : mediaTypes.ociConfig,
      digest: digestOf(config),
      size: config.byteLength,
      data: options.asArtifact ? config : undefined,
    },
    layers,
    subject: options.asArtifact ? { mediaType: target.mediaType, digest: target.digest, size: target.size } : undefined,
  });
  const bytes = Buffer.from(indentJson(manifest));
  return {
    manifest: {
      mediaType,
      digest: digestOf(bytes),
      size: bytes.byteLength,
      annotations: {
        "vnd.docker.reference.digest": target.digest,
        "vnd.docker.reference.type": "attestation-manifest",
      },
      platform: UNKNOWN,
    },
    blobs: [
      ...statements.map(({ kind, digest, bytes: statement }): SmallBlob => ({ kind, digest, bytes: statement })),
      { kind: "statement", digest: digestOf(config), bytes: config },
      { kind: "attestation manifest", digest: digestOf(bytes), bytes },
    ],
  };
}

/** A config that registries and old clients accept. */
function imageConfig(statements: readonly SmallBlob[]): string {
  return goJson({
    ...UNKNOWN,
    config: {},
    rootfs: { type: "layers", diff_ids: statements.map(({ digest }) => digest) },
  });
}
