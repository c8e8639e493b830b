// Every field of the compose specification, and whether a project that runs here honours it. What is not honoured is named in a
// warning with its file and service: nothing is ignored in silence. Spec: compose-spec 05-services.md, deploy.md, develop.md.

import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** `yes`: honoured. Else what is said of it. `build` is another matter: bake's code reads it. */
type Support = string;

const ignored = "is not supported and has no effect";
const words = (support: Support, names: string): [string, Support][] => names.split(" ").map((name) => [name, support]);

/** Fields of a service. Deeper ones stand with dots; where one is named, its parent's word does not hold for it. */
export const serviceFields: ReadonlyMap<string, Support> = new Map<string, Support>([
  ...words("yes", "annotations attach build cap_add cap_drop cgroup_parent command configs container_name cpu_period"),
  ...words(
    "yes",
    "cpu_quota cpu_shares cpus cpuset depends_on deploy develop devices dns dns_opt dns_search domainname",
  ),
  ...words(
    "yes",
    "entrypoint env_file environment expose extends extra_hosts group_add healthcheck hostname image init",
  ),
  ...words("yes", "ipc label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness"),
  ...words("yes", "memswap_limit network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports"),
  ...words("yes", "post_start pre_stop privileged profiles pull_policy read_only restart scale secrets security_opt"),
  ...words("yes", "shm_size stdin_open stop_grace_period stop_signal sysctls tmpfs tty ulimits user uts volumes"),
  ...words("yes", "volumes_from working_dir"),
  ...words(ignored, "blkio_config cgroup cpu_count cpu_percent cpu_rt_period cpu_rt_runtime credential_spec"),
  ...words(ignored, "device_cgroup_rules external_links gpus isolation models pre_start provider pull_refresh_after"),
  ...words(ignored, "runtime storage_opt use_api_socket userns_mode"),
  ...words("yes", "deploy.replicas deploy.resources deploy.restart_policy"),
  ...words(ignored, "deploy.endpoint_mode deploy.labels deploy.placement deploy.rollback_config deploy.update_config"),
  ...words(ignored, "deploy.resources.reservations.cpus deploy.resources.reservations.devices"),
  ...words(ignored, "deploy.resources.reservations.generic_resources"),
  ...words(ignored, "deploy.restart_policy.delay deploy.restart_policy.window"),
  ...words(
    ignored,
    "networks.*.driver_opts networks.*.gw_priority networks.*.interface_name networks.*.link_local_ips",
  ),
  ...words(ignored, "ports.*.app_protocol volumes.*.bind.recursive volumes.*.bind.selinux volumes.*.consistency"),
]);

/** Fields of top-level networks, volumes, secrets and configs that are not honoured. */
export const resourceFields: ReadonlyMap<string, Support> = new Map<string, Support>([
  ...words(ignored, "networks.*.driver_opts networks.*.enable_ipv4 networks.*.ipam.driver networks.*.ipam.options"),
  ...words(ignored, "networks.*.ipam.config.*.aux_addresses networks.*.attachable"),
  ...words(ignored, "secrets.*.driver secrets.*.driver_opts secrets.*.template_driver configs.*.template_driver"),
  ...words(ignored, "models.*"),
]);

/** Values that alone are not honoured. */
const values: readonly (readonly [string, (value: ComposeValue) => boolean, string])[] = [
  ["deploy.mode", (value) => value !== "replicated", "is not supported and has no effect: only replicated is"],
  [
    "volumes.*.type",
    (value) => ["cluster", "npipe", "image"].includes(goText(value)),
    "is of a type that is not supported",
  ],
  ["links.*", (value) => goText(value).includes(":"), "has an alias, which all services of the network see"],
];

/** Where something was said; undefined where that is not known. */
export type FindFile = (path: string) => string | undefined;

/** One line for each field that has no effect: its file, its service, its path. */
export function unsupportedFields(document: ComposeMap, findFile: FindFile): string[] {
  const lines: string[] = [];
  const told = new Set<string>();
  const tell = (section: string, name: string, place: string, why: string) => {
    const file = findFile(`${section}.${name}.${place.split(".")[0]}`);
    const owner =
      section === "services" ? `service ${JSON.stringify(name)}` : `${section.slice(0, -1)} ${JSON.stringify(name)}`;
    const line = `${file === undefined ? "" : `${file}: `}${owner}: \`${place}\` ${why}`;
    if (!told.has(line)) lines.push(line);
    told.add(line);
  };
  const services = document.get("services");
  if (isMap(services)) {
    for (const [name, service] of services) {
      if (!isMap(service)) continue;
      for (const [place, why] of problemsOf(service, [], serviceFields, true)) tell("services", name, place, why);
    }
  }
  for (const section of ["networks", "volumes", "secrets", "configs", "models"]) {
    const members = document.get(section);
    if (!isMap(members)) continue;
    for (const [name, member] of members) {
      const pattern = `${section}.*`;
      const whole = resourceFields.get(pattern);
      if (whole !== undefined) tell(section, name, name, whole);
      for (const [place, why] of problemsOf(member, [section, "*"], resourceFields, false))
        tell(section, name, place, why);
    }
  }
  return lines;
}

/** Places below a value that the table has a word for. */
function* problemsOf(
  value: ComposeValue,
  pattern: readonly string[],
  table: ReadonlyMap<string, Support>,
  isService: boolean,
  shown: readonly string[] = [],
): Generator<[string, string]> {
  const depth = isService ? shown.length : shown.length + 2;
  if (shown.length > 0) {
    const key = pattern.join(".");
    const word = table.get(key);
    if (word !== undefined && word !== "yes" && !isEmpty(value)) {
      yield [shown.join("."), word];
      return;
    }
    for (const [place, matches, why] of isService ? values : []) {
      if (place === key && matches(value)) yield [shown.join("."), why];
    }
  }
  if (pattern[0] === "build" && isService) return;
  if (isMap(value)) {
    for (const [key, each] of value) {
      if (key.startsWith("x-")) continue;
      const step = depth === 1 && ["networks", "depends_on", "models"].includes(pattern[0]!) ? "*" : key;
      yield* problemsOf(each, [...pattern, step], table, isService, [...shown, key]);
    }
  } else if (Array.isArray(value)) {
    for (const [at, each] of value.entries()) {
      yield* problemsOf(each, [...pattern, "*"], table, isService, [...shown, String(at)]);
    }
  }
}

function isEmpty(value: ComposeValue): boolean {
  if (value === null || value === false || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && value.size === 0;
}
