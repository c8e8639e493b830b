// What a provenance attestation was asked to say: attributes of `attest:provenance`, each checked.
// Counterpart: moby/buildkit control/control.go, solver/llbsolver/provenance.go, proc/provenance.go.

import { invalidAttestation, type AttestationAttributes } from "../../frontends/gateway/index.ts";

export interface ProvenanceSettings {
  readonly mode: "min" | "max";
  readonly version: "v1" | "v0.2";
  readonly builderId: string;
  readonly reproducible: boolean;
  /** Only for images that hold their attestations. */
  readonly inlineOnly: boolean;
  /** Fail where a source is not known exactly. */
  readonly completeMaterials: boolean;
  /** File that `local` and `tar` write. */
  readonly filename: string;
}

/** @throws ATTESTATION_INVALID. */
export function readProvenance(attributes: AttestationAttributes): ProvenanceSettings {
  const version = attributes.get("version") ?? "v1";
  if (version !== "v1" && version !== "v0.2")
    throw invalidAttestation(
      version === "" ? "provenance SLSA version cannot be empty" : `invalid provenance SLSA version: ${version}`,
      "versions are v1 and v0.2",
    );
  const mode = attributes.get("mode") ?? "max";
  if (!["min", "max", "full"].includes(mode))
    throw invalidAttestation(`invalid mode "${mode}"`, "modes are min and max");
  return {
    mode: mode === "min" ? "min" : "max",
    version,
    builderId: attributes.get("builder-id") ?? "",
    reproducible: flag(attributes, "reproducible"),
    inlineOnly: isTrue(attributes.get("inline-only") ?? "") ?? false,
    completeMaterials: flag(attributes, "complete-materials"),
    filename: attributes.get("filename") ?? "provenance.json",
  };
}

function flag(attributes: AttestationAttributes, key: string): boolean {
  const text = attributes.get(key);
  if (text === undefined) return false;
  const value = isTrue(text);
  if (value === undefined) throw invalidAttestation(`failed to parse ${key} flag "${text}"`, "give true or false");
  return value;
}

function isTrue(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  return /^(?:0|f|F|FALSE|false|False)$/.test(text) ? false : undefined;
}
