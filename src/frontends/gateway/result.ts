// Results of frontends as messages carry them: a ref or a map of refs, and metadata by well-known names that say what each is.
// Counterpart: moby/buildkit frontend/dockerui/build.go, exporter/containerimage/exptypes/parse.go.

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { BuildError } from "../../base/index.ts";
import { formatAllPlatform, hostPlatform, normalizePlatform } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { gateway, pb } from "../../formats/proto/index.ts";
import type { AttestationBundle, FrontendResult, PlatformResult } from "./port.ts";

const CONFIG = "containerimage.config";
const BASE_CONFIG = "containerimage.base.config";
const PLATFORMS = "refs.platforms";
const EPOCH = "source.date.epoch";
const CORE = "sbom-core";

/** The message of a result; `keep` gives each definition the id that it is found by again. */
export function toResultMessage(
  result: FrontendResult,
  keep: (definition: pb.Definition) => string,
): MessageInitShape<typeof gateway.ResultSchema> {
  const metadata: Record<string, Uint8Array> = Object.fromEntries(result.metadata);
  if (result.builds.length === 0) return { result: { case: "ref", value: { id: "" } }, metadata };
  const put = (name: string, key: string, value: Uint8Array | undefined) => {
    if (value !== undefined) metadata[result.multiPlatform ? `${name}/${key}` : name] = value;
  };
  const refs: Record<string, MessageInitShape<typeof gateway.RefSchema>> = {};
  for (const { key, definition, config, baseConfig, epoch } of result.builds) {
    put(CONFIG, key, config);
    put(BASE_CONFIG, key, baseConfig);
    put(EPOCH, key, epoch === undefined ? undefined : Buffer.from(String(epoch)));
    refs[key] = definition.def.length === 0 ? { id: "" } : { id: keep(definition), def: definition };
  }
  metadata[PLATFORMS] = Buffer.from(
    JSON.stringify({ Platforms: result.builds.map(({ key, platform }) => ({ ID: key, Platform: toGo(platform) })) }),
  );
  const attestations = Object.fromEntries(
    result.builds.flatMap(({ key, attestations: list = [] }) =>
      list.length === 0 ? [] : [[key, { attestation: list.map((each) => toAttestation(each, keep)) }]],
    ),
  );
  return result.multiPlatform
    ? { result: { case: "refs", value: { refs } }, metadata, attestations }
    : { result: { case: "ref", value: refs[result.builds[0]!.key]! }, metadata, attestations };
}

function toAttestation(
  { definition, path, predicateType, core }: AttestationBundle,
  keep: (definition: pb.Definition) => string,
): MessageInitShape<typeof gateway.AttestationSchema> {
  return {
    kind: gateway.AttestationKind.Bundle,
    metadata: { reason: Buffer.from("sbom"), ...(core === "" ? {} : { [CORE]: Buffer.from(core) }) },
    ref: { id: keep(definition), def: definition },
    path,
    inTotoPredicateType: predicateType,
  };
}

function fromAttestation(
  { kind, metadata, ref, path, inTotoPredicateType }: gateway.Attestation,
  find: (id: string) => pb.Definition | undefined,
): AttestationBundle {
  if (kind !== gateway.AttestationKind.Bundle)
    throw invalid("an attestation that is no bundle of statements, which this builder can't take yet");
  const definition = ref === undefined ? undefined : find(ref.id);
  if (definition === undefined) throw invalid("no ref provided for attestation bundle");
  return {
    definition,
    path,
    predicateType: inTotoPredicateType,
    core: Buffer.from(metadata[CORE] ?? []).toString("utf8"),
  };
}

/**
 * What a frontend or a client returned. `find` knows the definitions of refs by their ids.
 *
 * @throws INVALID_RESULT for metadata that does not fit.
 */
export function fromResultMessage(
  message: gateway.Result,
  find: (id: string) => pb.Definition | undefined,
): FrontendResult {
  const metadata = new Map(Object.entries(message.metadata));
  const refs = refsOf(message);
  const platforms = platformsOf(metadata);
  const multiPlatform = refs.byKey !== undefined;
  const isAnswer = !multiPlatform && refs.only === "" && !metadata.has(CONFIG);
  const builds: PlatformResult[] = [];
  const take = (name: string, key: string) =>
    metadata.get(`${name}/${key}`) ?? (multiPlatform ? undefined : metadata.get(name));
  const wanted = multiPlatform ? platforms : platforms.slice(0, 1);
  if (multiPlatform && !metadata.has(PLATFORMS)) throw invalid("several results without a mapping of platforms");
  for (const { key, platform } of isAnswer ? [] : wanted) {
    const id = multiPlatform ? refs.byKey!.get(key) : refs.only;
    if (id === undefined) throw invalid(`no result for the platform ${key}`);
    const definition = id === "" ? create(pb.DefinitionSchema) : find(id);
    if (definition === undefined) throw invalid(`no such ref: ${id}`);
    const epoch = take(EPOCH, key);
    const attestations = message.attestations[key]?.attestation.map((each) => fromAttestation(each, find)) ?? [];
    builds.push({
      key,
      platform,
      definition,
      config: take(CONFIG, key) ?? emptyConfig(platform),
      baseConfig: take(BASE_CONFIG, key),
      epoch: epoch === undefined ? undefined : readEpoch(epoch),
      ...(attestations.length === 0 ? {} : { attestations }),
    });
  }
  const isOurs = (name: string) =>
    [CONFIG, BASE_CONFIG, EPOCH].some((own) => name === own || name.startsWith(`${own}/`));
  const rest = isAnswer ? metadata : new Map([...metadata].filter(([name]) => !isOurs(name) && name !== PLATFORMS));
  return { builds, multiPlatform, metadata: rest };
}

function refsOf({ result }: gateway.Result): { only: string; byKey?: ReadonlyMap<string, string> } {
  switch (result.case) {
    case "ref":
      return { only: result.value.id };
    case "refDeprecated":
      return { only: result.value };
    case "refs":
      return { only: "", byKey: new Map(Object.entries(result.value.refs).map(([key, ref]) => [key, ref.id])) };
    case "refsDeprecated":
      return { only: "", byKey: new Map(Object.entries(result.value.refs)) };
    default:
      return { only: "" };
  }
}

interface GoPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly variant?: string;
}

function toGo({ os, architecture, variant, osVersion, osFeatures }: Platform): GoPlatform {
  return {
    architecture,
    os,
    ...(osVersion === undefined ? {} : { "os.version": osVersion }),
    ...(osFeatures === undefined ? {} : { "os.features": osFeatures }),
    ...(variant === undefined ? {} : { variant }),
  };
}

function fromGo(value: Partial<GoPlatform> | undefined): Platform {
  const { os, architecture, variant, "os.version": osVersion, "os.features": osFeatures } = value ?? {};
  if (typeof os !== "string" || typeof architecture !== "string" || os === "" || architecture === "")
    throw invalid("a platform without os and architecture");
  return normalizePlatform({
    os,
    architecture,
    ...(typeof variant === "string" && variant !== "" ? { variant } : {}),
    ...(typeof osVersion === "string" && osVersion !== "" ? { osVersion } : {}),
    ...(Array.isArray(osFeatures) ? { osFeatures: osFeatures.map(String) } : {}),
  });
}

function platformsOf(metadata: ReadonlyMap<string, Uint8Array>): { key: string; platform: Platform }[] {
  const listed = metadata.get(PLATFORMS);
  if (listed !== undefined) {
    const { Platforms: list } = (parse(listed, PLATFORMS) ?? {}) as {
      Platforms?: { ID?: string; Platform?: GoPlatform }[];
    };
    if (!Array.isArray(list) || list.length === 0) throw invalid("an empty list of platforms");
    return list.map((each) => {
      if (typeof each?.ID !== "string" || each.ID === "") throw invalid("a platform without a key");
      return { key: each.ID, platform: fromGo(each.Platform) };
    });
  }
  const config = metadata.get(CONFIG);
  const parsed = config === undefined ? undefined : (parse(config, CONFIG) as Partial<GoPlatform> | null);
  const platform = parsed?.os || parsed?.architecture ? fromGo(parsed) : hostPlatform();
  return [{ key: formatAllPlatform(platform), platform }];
}

function emptyConfig({ os, architecture, variant }: Platform): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os,
      rootfs: { type: "layers", diff_ids: null },
      config: {},
    }),
  );
}

function readEpoch(bytes: Uint8Array): bigint {
  const text = Buffer.from(bytes).toString();
  if (!/^-?\d{1,18}$/.test(text)) throw invalid(`the time ${JSON.stringify(text.slice(0, 40))}`);
  return BigInt(text);
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as unknown;
  } catch (error) {
    throw invalid(`${what} that is not JSON`, error);
  }
}

function invalid(what: string, cause?: unknown): BuildError {
  return new BuildError(`the frontend returned ${what}`, { code: "INVALID_RESULT", status: "InvalidArgument", cause });
}
