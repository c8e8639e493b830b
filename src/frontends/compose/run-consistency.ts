// What a schema can't see: services that name what is not there, say the same thing twice in different words, or wait for each other.
// Counterpart: compose-go loader/validate.go checkConsistency, graph/cycle.go.

import { composeError } from "./error.ts";
import type { RunProject, RunService } from "./run-model.ts";
import { goText, isMap, mapAt } from "./value.ts";
import type { ComposeMap } from "./value.ts";

const invalid = "invalid compose project";

/** @throws COMPOSE_INVALID in compose-go's words. */
export function checkRunProject(project: RunProject): void {
  for (const service of project.services.values()) {
    checkService(service, project);
    checkTwice(service, mapAt(mapAt(project.document, "services") ?? new Map(), service.name) ?? new Map());
  }
  for (const [name, { external, file, environment }] of project.secrets) {
    if (external || file !== "" || environment !== "") continue;
    throw composeError(`secret ${JSON.stringify(name)} must declare either \`file\` or \`environment\`: ${invalid}`);
  }
  for (const [name, { external, file, environment, content }] of project.configs) {
    if (external || file !== "" || environment !== "" || content !== undefined) continue;
    throw composeError(
      `config ${JSON.stringify(name)} must declare one of \`file\`, \`environment\` or \`content\`: ${invalid}`,
    );
  }
  const cycle = findCycle(project.services);
  if (cycle !== undefined) throw composeError(`dependency cycle detected: ${cycle.join(" -> ")}`);
}

function checkService(service: RunService, project: RunProject): void {
  const { name, build, image, platform } = service;
  const shown = JSON.stringify(name);
  const refers = (what: string, key: string) =>
    composeError(`service ${shown} refers to undefined ${what} ${key}: ${invalid}`);
  if (build === undefined && image === "") {
    throw composeError(`service ${shown} has neither an image nor a build context specified: ${invalid}`);
  }
  if (build !== undefined && build.platforms.length > 0 && platform !== "" && !build.platforms.includes(platform)) {
    throw composeError(`service.build.platforms MUST include service.platform ${JSON.stringify(platform)}: ${invalid}`);
  }
  if (service.networkMode !== "" && service.networks.size > 0) {
    throw composeError(`service ${name} declares mutually exclusive \`network_mode\` and \`networks\`: ${invalid}`);
  }
  for (const key of service.networks.keys()) if (!project.networks.has(key)) throw refers("network", key);
  const test = service.healthcheck?.test?.[0];
  if (test !== undefined && !["CMD", "CMD-SHELL", "NONE"].includes(test)) {
    throw composeError('healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"');
  }
  for (const [key, { required }] of service.dependsOn) {
    if (project.services.has(key) || (!required && project.disabled.has(key))) continue;
    throw composeError(`service ${shown} depends on undefined service ${JSON.stringify(key)}: ${invalid}`);
  }
  if (service.networkMode.startsWith("service:")) {
    const other = service.networkMode.slice("service:".length);
    if (!project.services.has(other)) {
      throw composeError(`service ${JSON.stringify(other)} not found for network_mode 'service:${other}'`);
    }
  }
  for (const { type, source } of service.mounts) {
    if (type === "volume" && source !== "" && !project.volumes.has(source)) throw refers("volume", source);
  }
  for (const { source } of service.configs) if (!project.configs.has(source)) throw refers("config", source);
  for (const { source } of service.secrets) if (!project.secrets.has(source)) throw refers("secret", source);
  checkScale(service);
  for (const { action, target } of service.watch) {
    if (target === "" && action !== "rebuild" && action !== "restart") {
      throw composeError(`services.${name}.develop.watch: target is required for non-rebuild actions: ${invalid}`);
    }
  }
  checkTargets(service);
}

function checkScale({ name, scale, containerName }: RunService): void {
  if (scale < 0) throw composeError(`services.${name}.scale: must be greater than or equal to 0`);
  if (scale > 1 && containerName !== "") {
    throw composeError(
      `services.${name}: can't set container_name and scale as container name must be unique: ${invalid}`,
    );
  }
}

function checkTargets({ name, tmpfs, mounts }: RunService): void {
  const seen = new Map<string, string>();
  const see = (target: string, place: string) => {
    const earlier = seen.get(target);
    if (earlier !== undefined) throw composeError(`${place}: target ${target} already mounted as ${earlier}`);
    seen.set(target, place);
  };
  for (const [at, each] of tmpfs.entries()) see(each.split(":")[0]!, `services.${name}.tmpfs[${at}]`);
  for (const [at, { target }] of mounts.entries()) see(target, `services.${name}.volumes[${at}]`);
}

/** Pairs of words for one thing. */
const twice: readonly (readonly [string, readonly string[]])[] = [
  ["scale", ["replicas"]],
  ["cpus", ["resources", "limits", "cpus"]],
  ["mem_limit", ["resources", "limits", "memory"]],
  ["mem_reservation", ["resources", "reservations", "memory"]],
  ["pids_limit", ["resources", "limits", "pids"]],
];

function checkTwice({ name }: RunService, said: ComposeMap): void {
  for (const [key, path] of twice) {
    let other = said.get("deploy");
    for (const step of path) other = isMap(other) ? other.get(step) : undefined;
    const own = said.get(key);
    if (own === undefined || other === undefined || goText(own) === goText(other)) continue;
    throw composeError(
      `services.${name}: can't set distinct values on '${key}' and 'deploy.${path.join(".")}': ${invalid}`,
    );
  }
}

/** Names along the first cycle, the first again at the end. */
function findCycle(services: ReadonlyMap<string, RunService>): string[] | undefined {
  const done = new Set<string>();
  const search = (trail: readonly string[], name: string): string[] | undefined => {
    const at = trail.indexOf(name);
    if (at >= 0) return [...trail.slice(at), name];
    if (done.has(name)) return undefined;
    for (const next of [...(services.get(name)?.dependsOn.keys() ?? [])].toSorted()) {
      const found = search([...trail, name], next);
      if (found !== undefined) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const name of [...services.keys()].toSorted()) {
    const found = search([], name);
    if (found !== undefined) return found;
  }
  return undefined;
}
