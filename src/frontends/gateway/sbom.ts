// Runs a scanner image over results: what it finds it writes as in-toto statements into a folder, which is the result of the step.
// The scanner sees the filesystem that is to be described, and perhaps others (stages, the context), read only.
// Counterpart: moby/buildkit frontend/attestations/sbom.

import { BuildError } from "../../base/index.ts";
import { parseImageConfig, parseReference, referenceString, tagNameOnly } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { imageSource, marshalState, State } from "../../graph/llb/index.ts";
import type { Output } from "../../graph/llb/index.ts";
import { invalidAttestation, type AttestationAttributes } from "./attestations.ts";
import type { AttestationBundle, GatewayClient, ResolveImageOptions } from "./port.ts";

const SPDX_PREDICATE = "https://spdx.dev/Document";

const CORE = "sbom";
const SOURCES = "/run/src";
const RESULTS = "/run/out/";

export interface ScanTarget {
  /** The platform's key, for the step's name. */
  readonly name: string;
  readonly core: Output | undefined;
  /** Further filesystems by name. */
  readonly extras: ReadonlyMap<string, Output | undefined>;
  readonly ignoreCache: boolean;
}

/** Makes the step that scans one result. */
export type Scanner = (target: ScanTarget) => AttestationBundle;

/**
 * The scanner that an `sbom` attestation names; its image is looked up at once.
 *
 * @throws ATTESTATION_INVALID, INVALID_REFERENCE; what resolving the image throws.
 */
export async function openScanner(
  gateway: Pick<GatewayClient, "resolveImageConfig" | "supports">,
  attributes: AttestationAttributes,
  options: { readonly platform: Platform; readonly resolveMode: ResolveImageOptions["resolveMode"] },
  signal: AbortSignal,
): Promise<Scanner> {
  const { platform, resolveMode } = options;
  const generator = attributes.get("generator") ?? "";
  if (generator === "")
    throw invalidAttestation("sbom generator cannot be empty", "name a scanner image: generator=IMAGE");
  const name = referenceString(tagNameOnly(parseReference(generator)));
  const image = await gateway.resolveImageConfig(name, { platform, resolveMode }, signal);
  const { config = {} } = parseImageConfig(image.config);
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) {
    throw new BuildError(`scanner ${name} does not have cmd`, {
      code: "ATTESTATION_INVALID",
      status: "InvalidArgument",
      hint: "a scanner is an image with an entry point",
    });
  }
  const pinned = name.includes("@") ? name : `${name}@${image.digest}`;
  return (target) => {
    let scanner = imageSource(pinned, { platform }).inDir(config.WorkingDir || "/");
    for (const [key, value] of environment(config.Env ?? [], target, attributes)) scanner = scanner.addEnv(key, value);
    const results = scanner.runTo(RESULTS, {
      args,
      platform,
      ignoreCache: target.ignoreCache,
      customName: `[${target.name}] generating sbom using ${pinned}`,
      mounts: [
        { target: "/tmp", source: undefined, tmpfs: { sizeBytes: 0n } },
        { target: `${SOURCES}/core/${CORE}`, source: target.core, readonly: true },
        ...Array.from(target.extras, ([extra, source]) => ({
          target: `${SOURCES}/extras/${CORE}-${extra}`,
          source,
          readonly: true,
        })),
      ],
    });
    const supports = (cap: string) => gateway.supports(cap);
    return {
      definition: marshalState(State.of(results), { platform, supports }),
      path: "/",
      predicateType: SPDX_PREDICATE,
      core: CORE,
    };
  };
}

function* environment(
  own: readonly string[],
  { extras }: ScanTarget,
  attributes: AttestationAttributes,
): Iterable<[string, string]> {
  for (const entry of own) {
    const equals = entry.indexOf("=");
    yield equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
  }
  yield ["BUILDKIT_SCAN_DESTINATION", RESULTS];
  yield ["BUILDKIT_SCAN_SOURCE", `${SOURCES}/core/${CORE}`];
  if (extras.size > 0) yield ["BUILDKIT_SCAN_SOURCE_EXTRAS", `${SOURCES}/extras`];
  for (const [key, value] of attributes) if (key !== "generator") yield [`BUILDKIT_SCAN_${key}`, value];
}
