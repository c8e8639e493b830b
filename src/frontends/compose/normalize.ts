// Fills in what a document leaves to be understood: the network that services are on, what they depend on by other words, and the
// names of resources. Counterpart: compose-go loader/normalize.go.

import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** The document with all that said. `name` is the project's. */
export function normalize(document: ComposeMap, name: string): ComposeMap {
  const result: ComposeMap = new Map([["name", name as ComposeValue], ...document]);
  result.set("name", name);
  result.delete("version");
  const services = mapOf(document.get("services"));
  const normal = new Map([...services].map(([key, each]) => [key, serviceOf(mapOf(each))]));
  result.set("services", normal);
  const networks = new Map(mapOf(document.get("networks")));
  const usesDefault = [...normal.values()].some((each) => mapOf(each.get("networks")).has("default"));
  if (usesDefault && !networks.has("default")) networks.set("default", null);
  if (networks.size > 0) result.set("networks", networks);
  for (const section of ["networks", "volumes", "configs", "secrets"]) {
    if (!result.has(section)) continue;
    const members = [...mapOf(result.get(section))].map(([key, each]): [string, ComposeValue] => [
      key,
      named(mapOf(each), key, name),
    ]);
    result.set(section, new Map(members));
  }
  return result;
}

function serviceOf(service: ComposeMap): ComposeMap {
  const result = new Map(service);
  if (result.get("pull_policy") === "if_not_present") result.set("pull_policy", "missing");
  const build = result.get("build");
  if (isMap(build) && !build.has("dockerfile") && !build.has("dockerfile_inline")) {
    result.set("build", new Map([...build, ["dockerfile", "Dockerfile"]]));
  }
  if (!result.has("network_mode") && !result.has("provider") && mapOf(result.get("networks")).size === 0) {
    result.set("networks", new Map([["default", null]]));
  }
  const dependsOn = new Map(mapOf(service.get("depends_on")));
  for (const [name, restart] of impliedDependencies(service)) {
    if (!dependsOn.has(name)) dependsOn.set(name, dependency(restart));
  }
  if (dependsOn.size > 0) result.set("depends_on", dependsOn);
  return result;
}

/** Services whose links, namespaces or volumes this one takes; the flag says whether it restarts with them. */
function* impliedDependencies(service: ComposeMap): Generator<[string, boolean]> {
  for (const link of listOf(service.get("links"))) yield [goText(link).split(":")[0]!, true];
  for (const key of ["network_mode", "ipc", "pid", "uts", "cgroup"]) {
    const value = service.get(key);
    if (typeof value === "string" && value.startsWith("service:")) yield [value.slice("service:".length), true];
  }
  for (const each of listOf(service.get("volumes_from"))) {
    const text = goText(each);
    if (!text.startsWith("container:")) yield [text.split(":")[0]!, false];
  }
}

function dependency(restart: boolean): ComposeMap {
  return new Map<string, ComposeValue>([
    ["condition", "service_started"],
    ["restart", restart],
    ["required", true],
  ]);
}

function named(resource: ComposeMap, key: string, project: string): ComposeMap {
  if ((resource.get("name") ?? null) !== null) return resource;
  const external = resource.get("external");
  const isExternal = external === true || external === "true";
  return new Map<string, ComposeValue>([["name", isExternal ? key : `${project}_${key}`], ...resource]);
}

function mapOf(value: ComposeValue | undefined): ComposeMap {
  return isMap(value) ? value : new Map();
}

function listOf(value: ComposeValue | undefined): ComposeValue[] {
  return Array.isArray(value) ? value : [];
}
