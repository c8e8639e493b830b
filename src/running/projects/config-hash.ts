// What a container was made from, in one digest: when it differs from what the files say now, the container is made anew. Left out is what
// changes no container: how its image is built, how many there are, what it waits for. Counterpart: docker/compose pkg/compose/hash.go.

import { createHash } from "node:crypto";
import type { RunProject, RunService } from "../../frontends/compose/index.ts";

const leftOut: readonly (keyof RunService)[] = [
  "build",
  "pullPolicy",
  "scale",
  "dependsOn",
  "profiles",
  "attach",
  "watch",
];

/** Hexadecimal SHA-256; equal for equal meaning, whatever the order in the files. */
export function configHash(service: RunService, project: RunProject): string {
  const said = Object.entries(service).filter(([key]) => !leftOut.includes(key as keyof RunService));
  const used = (from: RunProject["secrets"], files: RunService["secrets"]) =>
    files.map(({ source }) => [source, from.get(source)]);
  const networks = [...service.networks.keys()].map((key) => [key, project.networks.get(key)?.name]);
  const volumes = service.mounts.map(({ source }) => [source, project.volumes.get(source)?.name]);
  const whole = {
    service: Object.fromEntries(said),
    secrets: used(project.secrets, service.secrets),
    configs: used(project.configs, service.configs),
    networks,
    volumes,
  };
  return createHash("sha256")
    .update(JSON.stringify(sorted(whole)))
    .digest("hex");
}

/** Mappings and members by name, so that the text is one for each meaning. */
function sorted(value: unknown): unknown {
  if (value instanceof Map) return sorted(Object.fromEntries(value as ReadonlyMap<string, unknown>));
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}
