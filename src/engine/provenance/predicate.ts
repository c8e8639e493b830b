// The SLSA provenance of one platform's result, in BuildKit's form: version 1, and 0.2 made from it. No secret's value, no
// credential of a URL; of mode min no build argument and no label.
// Spec: slsa.dev/spec/v1.0/provenance, slsa.dev/provenance/v0.2; docs of BuildKit attestations/slsa-definitions.
// Counterpart: moby/buildkit solver/llbsolver/provenance/predicate.go, provenance.go NewProvenanceCreator, types/types.go.

import { formatPlatform, goJson, hostPlatform, imagePurl, normalizePlatform } from "../../formats/oci/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import { buildConfigJson, buildSteps, sourceJson } from "./build-config.ts";
import type { Capture, NamedNeed } from "./capture.ts";
import { configSourceOf, requestArguments } from "./request.ts";
import type { ProvenanceSettings } from "./settings.ts";

export interface ProvenanceFacts {
  readonly capture: Capture;
  /** Empty for a request with a definition of its own. */
  readonly frontend: string;
  /** The frontend's attributes as they came. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly definition: pb.Definition;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly invocationId: string;
  /** Layers of results by `step:output`, as descriptors; for mode max. */
  readonly layers: (stepOf: (digest: string) => number | undefined) => ReadonlyMap<string, unknown>;
}

export const SLSA1_PREDICATE = "https://slsa.dev/provenance/v1";
export const SLSA02_PREDICATE = "https://slsa.dev/provenance/v0.2";

const BUILD_TYPE = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
const BUILD_TYPE_02 = "https://mobyproject.org/buildkit@v1";
/** The behaviour of BuildKit that ours is that of: `compatibility-version`. */
const COMPATIBILITY = 30;

/** The predicate's bytes, indented as BuildKit's. */
export function provenancePredicate(facts: ProvenanceFacts, settings: ProvenanceSettings): Uint8Array {
  const pieces = collect(facts, settings);
  return Buffer.from(goJson(settings.version === "v1" ? version1(pieces) : version02(pieces)));
}

type Pieces = ReturnType<typeof collect>;

function collect(facts: ProvenanceFacts, settings: ProvenanceSettings) {
  const { capture, frontend, attributes } = facts;
  const isMax = settings.mode === "max";
  const steps = isMax ? buildSteps(facts.definition) : undefined;
  const stepOf = (digest: string) => steps?.indexes.get(digest);
  const layers = isMax ? facts.layers(stepOf) : new Map<string, unknown>();
  const { source, args, vcs } = requestArguments(attributes, configSourceOf(attributes, capture));
  const scrubbed = isMax ? args : args.filter(([key]) => !/^(?:build-arg|label):/.test(key));
  const incomplete = capture.incompleteMaterials || capture.locals.length > 0;
  return {
    source,
    request: {
      frontend: frontend || undefined,
      args: scrubbed.length === 0 ? undefined : new Map(scrubbed),
      secrets: isMax ? needsJson(capture.secrets) : undefined,
      ssh: isMax ? needsJson(capture.ssh) : undefined,
      locals: capture.locals.length === 0 ? undefined : capture.locals.map((name) => ({ name })),
      compatibilityVersion: COMPATIBILITY,
    },
    materials: materialsOf(capture),
    buildConfig: isMax ? buildConfigJson(steps) : undefined,
    builderId: settings.builderId,
    builderPlatform: formatPlatform(normalizePlatform(hostPlatform())),
    metadata: {
      vcs: vcs.length === 0 ? undefined : new Map(vcs),
      source: isMax ? sourceJson(facts.definition, steps) : undefined,
      layers: layers.size === 0 ? undefined : layers,
    },
    invocationId: facts.invocationId,
    startedOn: facts.startedAt.toISOString(),
    finishedOn: facts.finishedAt.toISOString(),
    // A request that was cut short does not say everything.
    completeRequest: frontend !== "" && scrubbed.length === args.length,
    completeMaterials: !incomplete,
    hermetic: !incomplete && !capture.networkAccess,
    reproducible: settings.reproducible,
  };
}

function version1(p: Pieces): unknown {
  return {
    buildDefinition: {
      buildType: BUILD_TYPE,
      resolvedDependencies: p.materials.length === 0 ? undefined : p.materials,
      externalParameters: { configSource: p.source, request: p.request },
      internalParameters: { buildConfig: p.buildConfig, builderPlatform: p.builderPlatform },
    },
    runDetails: {
      builder: { id: p.builderId },
      metadata: {
        invocationId: p.invocationId,
        startedOn: p.startedOn,
        finishedOn: p.finishedOn,
        buildkit_metadata: p.metadata,
        buildkit_hermetic: p.hermetic || undefined,
        buildkit_completeness: { request: p.completeRequest, resolvedDependencies: p.completeMaterials },
        buildkit_reproducible: p.reproducible || undefined,
      },
    },
  };
}

function version02(p: Pieces): unknown {
  const { path, ...source } = p.source;
  return {
    builder: { id: p.builderId },
    buildType: BUILD_TYPE_02,
    materials: p.materials.length === 0 ? undefined : p.materials,
    invocation: {
      configSource: { ...source, entryPoint: path },
      parameters: p.request,
      environment: { platform: p.builderPlatform },
    },
    buildConfig: p.buildConfig,
    metadata: {
      buildInvocationID: p.invocationId,
      buildStartedOn: p.startedOn,
      buildFinishedOn: p.finishedOn,
      completeness: { parameters: p.completeRequest, environment: true, materials: p.completeMaterials },
      reproducible: p.reproducible,
      "https://mobyproject.org/buildkit@v1#metadata": p.metadata,
      "https://mobyproject.org/buildkit@v1#hermetic": p.hermetic || undefined,
    },
  };
}

function materialsOf(capture: Capture): unknown[] {
  return [
    ...capture.images.map(({ ref, platform, digest, local }) => ({
      uri: imagePurl(local ? "oci" : "docker", ref, platform),
      digest: digest === "" ? undefined : digestSet(digest),
    })),
    ...capture.git.map(([uri, commit]) => ({ uri, digest: commitSet(commit) })),
    ...capture.http.map(([uri, digest]) => ({ uri, digest: digestSet(digest) })),
  ];
}

function digestSet(digest: string): Map<string, string> {
  const colon = digest.indexOf(":");
  return new Map([[digest.slice(0, colon), digest.slice(colon + 1)]]);
}

function commitSet(commit: string): Map<string, string> {
  return new Map([[commit.length === 64 ? "sha256" : "sha1", commit]]);
}

function needsJson(needs: readonly NamedNeed[]): unknown {
  return needs.length === 0 ? undefined : needs.map(({ id, optional }) => ({ id, optional: optional || undefined }));
}
