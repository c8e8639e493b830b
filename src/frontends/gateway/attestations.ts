// Which attestations a request asks for: attributes `attest:TYPE` and build arguments `BUILDKIT_ATTEST_TYPE`, each a line of
// comma-separated `key=value`. Counterpart: moby/buildkit frontend/attestations/parse.go.

import { BuildError, messageOf } from "../../base/index.ts";

export type AttestationType = "provenance" | "sbom";
export type AttestationAttributes = ReadonlyMap<string, string>;

const defaults: Readonly<Record<AttestationType, readonly [string, string]>> = {
  provenance: ["version", "v1"],
  sbom: ["generator", "docker/buildkit-syft-scanner:stable-1"],
};
const KEY = /^(?:attest:|build-arg:BUILDKIT_ATTEST_)(.*)$/s;

/** The attestations that frontend attributes ask for, with their attributes. @throws ATTESTATION_INVALID. */
export function parseAttestations(
  options: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<AttestationType, AttestationAttributes> {
  const found = new Map<AttestationType, AttestationAttributes>();
  for (const [key, text] of Object.entries(options)) {
    const name = KEY.exec(key)?.[1]?.toLowerCase();
    if (name === undefined || text === undefined) continue;
    if (name !== "provenance" && name !== "sbom") throw invalidAttestation(`unknown attestation type "${name}"`);
    found.set(name, new Map([defaults[name], ...attributesOf(name, text)]));
  }
  return found;
}

export function invalidAttestation(message: string, hint?: string): BuildError {
  return new BuildError(message, {
    code: "ATTESTATION_INVALID",
    status: "InvalidArgument",
    hint: hint ?? "attestations are provenance and sbom",
  });
}

function attributesOf(name: string, text: string): [string, string][] {
  if (text === "") return [];
  try {
    return splitFields(text).map((field) => {
      const equals = field.indexOf("=");
      return equals < 0 ? [field, ""] : [field.slice(0, equals), field.slice(equals + 1)];
    });
  } catch (error) {
    throw invalidAttestation(
      `failed to parse ${name}: ${messageOf(error)}`,
      "fields are key=value, with commas between",
    );
  }
}

/** One line of CSV: quotes around a whole field, doubled quotes inside. */
function splitFields(line: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy;
  for (;;) {
    const match = field.exec(line);
    if (match === null) throw new Error("a quote opens inside a field, or never closes");
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    if (match[3] === "") return fields;
  }
}
