// Attestations of a result: predicates, and the in-toto statements made of them once their subjects are known.
// Spec: in-toto attestation framework v1. Counterpart: moby/buildkit exporter/attestation/make.go.

import { hexOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";
import type { LayerBlob } from "./types.ts";

/** One thing that is said of a platform's result. */
export interface Attestation {
  readonly predicateType: string;
  /** File name for exporters that write files. */
  readonly path: string;
  /** Only for images that hold their attestations. */
  readonly inlineOnly: boolean;
  /** What it is about; empty for the result itself. */
  readonly subjects: readonly Subject[];
  /** Describes the result itself, not something that went into it. */
  readonly isCoreSbom: boolean;
  /** The predicate as JSON; `layers` are those of the image it goes with, where it goes with one. */
  readonly predicate: (layers?: readonly LayerBlob[]) => Promise<Uint8Array>;
}

export interface Subject {
  readonly name: string;
  /** By algorithm, in hex. */
  readonly digest: Readonly<Record<string, string>>;
}

/** An attestation whose predicate has been made. */
export interface MadeAttestation {
  readonly predicateType: string;
  readonly subjects: readonly Subject[];
  readonly predicate: Uint8Array;
}

const STATEMENT = "https://in-toto.io/Statement/v1";

/** Makes the predicates, side by side. */
export function makeAttestations(
  attestations: readonly Attestation[],
  layers?: readonly LayerBlob[],
): Promise<MadeAttestation[]> {
  return Promise.all(
    attestations.map(async ({ predicateType, subjects, predicate }) => ({
      predicateType,
      subjects,
      predicate: await predicate(layers),
    })),
  );
}

/** A statement's compact JSON; `itself` are the subjects of what is said of the result. */
export function statementJson(
  { predicateType, subjects, predicate }: MadeAttestation,
  itself: readonly Subject[],
): string {
  const about = subjects.length > 0 ? subjects : itself;
  const head = goJson({
    _type: STATEMENT,
    predicateType,
    subject: about.map(({ name, digest }) => ({ name, digest: new Map(Object.entries(digest)) })),
  });
  return `${head.slice(0, -1)},"predicate":${Buffer.from(predicate).toString("utf8")}}`;
}

export function digestMap(digest: Digest): Record<string, string> {
  return { sha256: hexOf(digest) };
}
