// What is said of each platform's result: statements that scanners wrote, and where it all comes from.
// Counterpart: moby/buildkit solver/llbsolver/proc, provenance.go.

import { BuildError, packageVersion } from "../../base/index.ts";
import { descriptorJson, onlyMatcher } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { parseAttestations } from "../../frontends/gateway/index.ts";
import type { FrontendRequest, FrontendResult } from "../../frontends/gateway/index.ts";
import type { Edge, Job, TracedVertex } from "../../graph/solver/index.ts";
import type { Ref, RefStore } from "../../storage/refs/index.ts";
import { manifestLayer } from "../exporters/index.ts";
import type { Attestation, LayerBlob } from "../exporters/index.ts";
import type { EngineResult } from "../ops/index.ts";
import {
  Capture,
  captureVertexes,
  type ImageMaterial,
  provenancePredicate,
  type ProvenanceSettings,
  readProvenance,
  SLSA02_PREDICATE,
  SLSA1_PREDICATE,
} from "../provenance/index.ts";
import type { BuiltPlatform } from "./export.ts";
import { readBundle } from "./read-bundle.ts";
import { completeSpdx } from "./spdx-layers.ts";

/** Written into SBOMs that we complete. */
const TOOL = `slipway-${packageVersion}`;

/** What a build's frontends were asked, looked up and solved on their way. */
export interface FrontendTrace {
  readonly images: ImageMaterial[];
  readonly edges: Edge[];
  /** Of each frontend that ran, in order; the last one made the result. */
  readonly requests: FrontendRequest[];
  /** The job that the edges belong to. */
  readonly job: Job<EngineResult>;
}

export interface AttestRun {
  readonly request: control.SolveRequest;
  readonly result: FrontendResult;
  readonly frontend: FrontendTrace;
  /** The job that built. */
  readonly job: Job<EngineResult>;
  readonly startedAt: Date;
  readonly refs: RefStore;
  readonly signal: AbortSignal;
}

/** The attestations of one platform; `ref` is its result. @throws ATTESTATION_INVALID, MATERIALS_INCOMPLETE. */
export async function attestationsOf(built: BuiltPlatform, ref: Ref, run: AttestRun): Promise<Attestation[]> {
  const wanted = parseAttestations(run.request.FrontendAttrs).get("provenance");
  const scanned = await Promise.all((built.build.attestations ?? []).map((_, at) => bundled(built, at, ref, run)));
  if (wanted === undefined) return scanned.flat();
  return [...scanned.flat(), await provenanceOf(built, ref, readProvenance(wanted), run)];
}

/** Provenance for a record of the build, whatever the request asks for: of the older form, which every client of records reads. */
export async function recordedProvenance(
  built: BuiltPlatform,
  ref: Ref,
  run: AttestRun,
): Promise<{ readonly predicateType: string; readonly predicate: Uint8Array }> {
  const settings = readProvenance(
    new Map([
      ["mode", "max"],
      ["version", "v0.2"],
    ]),
  );
  const made = await provenanceOf(built, ref, settings, run);
  return { predicateType: made.predicateType, predicate: await made.predicate(undefined) };
}

async function bundled(
  built: BuiltPlatform,
  at: number,
  ref: Ref,
  { refs, signal }: AttestRun,
): Promise<Attestation[]> {
  const result = built.attestations[at];
  if (result?.kind !== "ref") return [];
  await using view = await refs.view(result.ref, signal);
  const statements = readBundle(view.path, built.build.attestations![at]!);
  return statements.map(({ path, predicateType, subjects, predicate, isCore }) => ({
    path,
    predicateType,
    subjects,
    inlineOnly: false,
    isCoreSbom: isCore,
    predicate: async (layers) => {
      if (!isCore || layers === undefined) return predicate;
      await refs.unpack(ref, signal);
      return completeSpdx(predicate, refs.folders(ref), layers, TOOL);
    },
  }));
}

async function provenanceOf(
  built: BuiltPlatform,
  ref: Ref,
  settings: ProvenanceSettings,
  run: AttestRun,
): Promise<Attestation> {
  const { request, frontend, refs } = run;
  const { build } = built;
  const asked = frontend.requests.at(-1);
  const vertexes = built.edge === undefined ? [] : await run.job.trace(built.edge, run.signal);
  const capture = new Capture();
  captureVertexes(vertexes, capture);
  for (const edge of frontend.edges) captureVertexes(await frontend.job.trace(edge, run.signal), capture);
  for (const image of imagesFor(build.key, frontend.images, run.result)) capture.addImage(image);
  if (settings.completeMaterials) requireComplete(capture);
  let finishedAt: Date | undefined;
  return {
    path: settings.filename,
    predicateType: settings.version === "v1" ? SLSA1_PREDICATE : SLSA02_PREDICATE,
    subjects: [],
    inlineOnly: settings.inlineOnly,
    isCoreSbom: false,
    predicate: (layers) =>
      Promise.resolve(
        provenancePredicate(
          {
            capture,
            frontend: asked?.frontend ?? "",
            attributes: asked?.options ?? request.FrontendAttrs,
            definition: build.definition,
            startedAt: run.startedAt,
            finishedAt: (finishedAt ??= new Date()),
            invocationId: request.Ref,
            layers: (stepOf) => stepLayers(vertexes, stepOf, layerDescriptors(refs, ref, layers ?? [])),
          },
          settings,
        ),
      ),
  };
}

/** Where a base is there for each platform, each platform has its own alone. */
function imagesFor(key: string, images: readonly ImageMaterial[], { builds }: FrontendResult): ImageMaterial[] {
  const current = builds.find((build) => build.key === key)!.platform;
  const isForAll = (ref: string) =>
    builds.every(({ platform }) => {
      const matches = onlyMatcher(platform);
      return images.some(
        (image) => image.ref === ref && image.platform !== undefined && matches.matches(image.platform),
      );
    });
  return images.filter(
    ({ ref, platform }) =>
      platform === undefined ||
      !isForAll(ref) ||
      (platform.os === current.os && platform.architecture === current.architecture),
  );
}

function requireComplete(capture: Capture): void {
  if (!capture.incompleteMaterials && capture.locals.length === 0) return;
  const locals = capture.locals.map((name) => `\n  - ${name || "<unnamed>"}\n    reason: local_source`).join("");
  throw new BuildError(
    "provenance materials are incomplete\n\nThe build requested complete provenance materials, but not all dependencies could be captured." +
      (locals === "" ? "" : `\n\nUncaptured local sources:${locals}`),
    {
      code: "MATERIALS_INCOMPLETE",
      status: "FailedPrecondition",
      hint: "build from a git repository, or leave complete-materials out",
    },
  );
}

/** How to describe each layer: as the image that is exported has it, else as it is known. */
function layerDescriptors(refs: RefStore, ref: Ref, blobs: readonly LayerBlob[]): (layer: string) => unknown {
  const own = new Map(ref.layers.map((layer, at) => [layer, blobs[at]?.descriptor]));
  return (layer) => {
    const descriptor = own.get(layer) ?? refs.forms.described(layer, { compression: "gzip" })?.descriptor;
    return descriptor === undefined
      ? undefined
      : descriptorJson(manifestLayer(descriptor, { ociTypes: true, preferNondistributable: true }));
  };
}

function stepLayers(
  vertexes: readonly TracedVertex<EngineResult>[],
  stepOf: (digest: string) => number | undefined,
  describe: (layer: string) => unknown,
): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const { vertex, results } of vertexes) {
    const step = stepOf(vertex.digest);
    if (step === undefined) continue;
    for (const [index, result] of results) {
      if (result.kind !== "ref" || result.ref.layers.length === 0) continue;
      const layers = result.ref.layers.map(describe);
      if (!layers.includes(undefined)) found.set(`step${step}:${index}`, [layers]);
    }
  }
  return found;
}
