// The whole compose schema: what a project may say of services, networks, volumes, secrets and configs when it is to run.
// Counterpart: compose-spec schema/compose-spec.json.

import type { Schema } from "./schema.ts";
import {
  byName,
  closed,
  flag,
  hosts,
  integer,
  listOf,
  listOrMap,
  mounts,
  name,
  number,
  of,
  options,
  orNull,
  text,
  textOrList,
  texts,
  ulimits,
} from "./schema-parts.ts";
import { buildPart, envFile, secret } from "./service-schema.ts";

const command: Schema = { oneOf: [of("null"), text, listOf(text)] };
const hook = closed({ command, user: text, privileged: flag, working_dir: text, environment: listOrMap }, ["command"]);
const startHook = closed({
  command,
  image: text,
  user: text,
  privileged: flag,
  working_dir: text,
  environment: listOrMap,
  per_replica: flag,
});
const deviceRequest = closed({
  capabilities: texts,
  count: integer,
  device_ids: texts,
  driver: text,
  options: listOrMap,
});
const update = closed({
  parallelism: integer,
  delay: text,
  failure_action: text,
  monitor: text,
  max_failure_ratio: number,
  order: text,
});
const generic = listOf(closed({ discrete_resource_spec: closed({ kind: text, value: number }) }));

const deploy = orNull(
  closed({
    mode: text,
    endpoint_mode: text,
    replicas: integer,
    labels: listOrMap,
    rollback_config: update,
    update_config: update,
    resources: closed({
      limits: closed({ cpus: number, memory: text, pids: integer }),
      reservations: closed({
        cpus: number,
        memory: text,
        generic_resources: generic,
        devices: listOf(deviceRequest),
      }),
    }),
    restart_policy: closed({ condition: text, delay: text, max_attempts: integer, window: text }),
    placement: closed({
      constraints: listOf(text),
      preferences: listOf(closed({ spread: text })),
      max_replicas_per_node: integer,
    }),
  }),
);

const watch = closed(
  {
    ignore: textOrList,
    include: textOrList,
    path: text,
    action: text,
    target: text,
    exec: hook,
    initial_sync: of("boolean"),
  },
  ["path", "action"],
);

const dependencies: Schema = {
  oneOf: [texts, byName(closed({ restart: flag, required: flag, condition: text }, ["condition"]))],
};

const volume: Schema = {
  oneOf: [
    text,
    closed(
      {
        type: text,
        source: text,
        target: text,
        read_only: flag,
        consistency: text,
        bind: closed({ propagation: text, create_host_path: flag, recursive: text, selinux: text }),
        volume: closed({ labels: listOrMap, nocopy: flag, subpath: text }),
        tmpfs: closed({ size: integer, mode: number }),
        image: closed({ subpath: text }),
      },
      ["type"],
    ),
  ],
};

const port: Schema = {
  oneOf: [
    of("number"),
    text,
    closed({
      name: text,
      mode: text,
      host_ip: text,
      target: integer,
      published: integer,
      protocol: text,
      app_protocol: text,
    }),
  ],
};

const attachment = orNull(
  closed({
    aliases: texts,
    interface_name: text,
    ipv4_address: text,
    ipv6_address: text,
    link_local_ips: texts,
    mac_address: text,
    driver_opts: options,
    priority: of("number"),
    gw_priority: of("number"),
  }),
);

const blkioLimits = listOf(closed({ path: text, rate: integer }));
const all = (schema: Schema, names: string): Record<string, Schema> =>
  Object.fromEntries(names.split(" ").map((each) => [each, schema]));

const service = closed({
  ...all(text, "cgroup cgroup_parent container_name cpuset domainname hostname image ipc isolation mac_address"),
  ...all(text, "network_mode platform pull_policy pull_refresh_after restart runtime stop_grace_period stop_signal"),
  ...all(text, "user uts userns_mode working_dir"),
  ...all(flag, "attach init oom_kill_disable privileged read_only stdin_open tty use_api_socket"),
  ...all(number, "cpu_count cpu_percent cpu_shares cpu_quota cpu_period cpu_rt_period cpu_rt_runtime cpus mem_limit"),
  ...all(number, "mem_reservation mem_swappiness memswap_limit oom_score_adj pids_limit shm_size"),
  ...all(texts, "cap_add cap_drop device_cgroup_rules dns_opt external_links links profiles security_opt volumes_from"),
  ...all(listOrMap, "annotations environment labels sysctls"),
  ...all(textOrList, "dns dns_search label_file tmpfs"),
  ...all(listOf(of("string", "number"), true), "expose group_add"),
  ...all(mounts, "configs secrets"),
  ...all(command, "command entrypoint"),
  blkio_config: closed({
    ...all(blkioLimits, "device_read_bps device_read_iops device_write_bps device_write_iops"),
    weight: integer,
    weight_device: listOf(closed({ path: text, weight: integer })),
  }),
  build: { oneOf: [text, buildPart] },
  credential_spec: closed({ config: text, file: text, registry: text }),
  depends_on: dependencies,
  deploy,
  develop: orNull(closed({ watch: listOf(watch) })),
  devices: listOf({ oneOf: [text, closed({ source: text, target: text, permissions: text }, ["source"])] }),
  env_file: envFile,
  extends: { oneOf: [text, closed({ service: text, file: text }, ["service"])] },
  extra_hosts: hosts,
  gpus: { oneOf: [text, listOf(deviceRequest)] },
  healthcheck: closed({
    disable: flag,
    interval: text,
    retries: number,
    test: { oneOf: [text, listOf(text)] },
    timeout: text,
    start_period: text,
    start_interval: text,
  }),
  logging: closed({ driver: text, options }),
  models: { oneOf: [texts, byName(orNull(closed({ endpoint_var: text, model_var: text })))] },
  networks: { oneOf: [texts, byName(attachment)] },
  pid: of("string", "null"),
  ports: listOf(port, true),
  post_start: listOf(hook),
  pre_start: listOf(startHook),
  pre_stop: listOf(hook),
  provider: closed({ type: text, options: of("object") }, ["type"]),
  scale: integer,
  storage_opt: of("object"),
  ulimits,
  volumes: listOf(volume, true),
});

const external: Schema = { type: ["boolean", "string", "object"], properties: { name: text } };

const network = orNull(
  closed({
    name: text,
    driver: text,
    driver_opts: options,
    ipam: closed({
      driver: text,
      config: listOf(closed({ subnet: text, ip_range: text, gateway: text, aux_addresses: options })),
      options,
    }),
    external,
    internal: flag,
    enable_ipv4: flag,
    enable_ipv6: flag,
    attachable: flag,
    labels: listOrMap,
  }),
);

const volumeResource = orNull(closed({ name: text, driver: text, driver_opts: options, external, labels: listOrMap }));
const config = closed({
  ...all(text, "name content environment file template_driver"),
  external,
  labels: listOrMap,
});

/** Of a whole document in its long forms. */
export const projectSchema: Schema = {
  type: ["object"],
  properties: {
    version: text,
    name: text,
    include: of("array"),
    services: { type: ["object"], patternProperties: [[name, service]], closed: true },
    networks: byName(network),
    volumes: byName(volumeResource),
    secrets: byName(secret),
    configs: byName(config),
    models: byName(of("object", "null")),
  },
  patternProperties: [[/^x-/, {}]],
  closed: true,
};
