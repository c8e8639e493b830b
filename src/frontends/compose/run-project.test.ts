// The running half of compose files: what each field becomes, what is filled in, what is refused, and what is named in a warning.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { durationText, parseDurationMs } from "./duration.ts";
import { composeEnvironment, loadCompose, readRunProject, serviceFields } from "./index.ts";
import type { RunProject } from "./index.ts";
import { projectSchema } from "./project-schema.ts";
import { parsePort, parseVolume } from "./short-syntax.ts";
import { isMap } from "./value.ts";
import type { ComposeValue } from "./value.ts";
import { shellWords } from "./words.ts";

interface LoadOptions {
  readonly files?: Record<string, string>;
  readonly profiles?: string[];
  readonly services?: string[];
  readonly env?: Record<string, string>;
}

function load(text: string, options: LoadOptions = {}): RunProject & { readonly cwd: string } {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-run-project-"));
  try {
    for (const [name, content] of Object.entries({ ...options.files, "compose.yaml": text })) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), content);
    }
    const host = { cwd };
    const environment = composeEnvironment(host, new Map(Object.entries(options.env ?? {})), new Map());
    const places = new Map<string, string>();
    const document = loadCompose([{ name: "compose.yaml" }], host, environment, "proj", {
      onField: (path, file) => places.set(path, file),
    });
    const project = readRunProject(document, host, environment, {
      name: "proj",
      files: ["compose.yaml"],
      profiles: options.profiles ?? [],
      services: options.services ?? [],
      findFile: (path) => places.get(path),
    });
    return { ...project, cwd };
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

function plain(value: ComposeValue): unknown {
  if (isMap(value)) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" ? Number(value) : value;
}

test("every field of a service in the schema is said to be supported or not, and no other", () => {
  const services = projectSchema.properties!["services"]!.patternProperties![0]![1];
  const known = [...serviceFields.keys()].filter((name) => !name.includes("."));
  assert.deepEqual(known.toSorted(), Object.keys(services.properties!).toSorted());
});

test("ports in one line", () => {
  const cases: [string, string[]][] = [
    ["80", [":80/tcp"]],
    ["8080:80", ["8080:80/tcp"]],
    ["127.0.0.1:8080:80/udp", ["127.0.0.1 8080:80/udp"]],
    ["127.0.0.1::80", ["127.0.0.1 :80/tcp"]],
    ["[::1]:80:81", ["::1 80:81/tcp"]],
    ["3000-3001", [":3000/tcp", ":3001/tcp"]],
    ["9090-9091:8080-8081", ["9090:8080/tcp", "9091:8081/tcp"]],
    ["9090-9095:80", ["9090-9095:80/tcp"]],
  ];
  for (const [text, expected] of cases) {
    const shown = parsePort(text).map((each) => {
      const { host_ip: host, published = "", target, protocol } = plain(each) as Record<string, string>;
      return `${host === undefined ? "" : `${host} `}${published}:${target}/${protocol}`;
    });
    assert.deepEqual(shown, expected, text);
  }
  const bad: [string, string][] = [
    ["a:80", "invalid hostPort: a"],
    ["80:", "no port specified: 80:<empty>"],
    ["1-2:3-5", "invalid ranges specified for container and host Ports: 3-5 and 1-2"],
    ["x:1:2", "invalid IP address: x"],
    ["1:2/icmp", "invalid proto: icmp"],
    ["70000:1", "invalid hostPort: 70000"],
  ];
  for (const [text, message] of bad) assert.throws(() => parsePort(text), { message }, text);
});

test("volumes in one line", () => {
  const cases: [string, object][] = [
    ["/data", { type: "volume", target: "/data", volume: {} }],
    ["data:/data:nocopy", { type: "volume", source: "data", target: "/data", volume: { nocopy: true } }],
    ["./a:/b/:ro", { type: "bind", source: "./a", target: "/b", read_only: true, bind: { create_host_path: true } }],
    [
      "~/a:/b:rslave,z",
      {
        type: "bind",
        source: "~/a",
        target: "/b",
        bind: { propagation: "rslave", selinux: "z", create_host_path: true },
      },
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(plain(parseVolume(text)), expected, text);
  assert.throws(() => parseVolume("a::b"), { message: "invalid spec: a::b: empty section between colons" });
  assert.throws(() => parseVolume("a:b:c:d"), { message: "invalid spec: a:b:c:d: too many colons" });
});

test("command lines and durations", () => {
  assert.deepEqual(shellWords(`sh -c 'a "b"' "c \\"d\\"" e\\ f ''`), ["sh", "-c", 'a "b"', 'c "d"', "e f", ""]);
  assert.throws(() => shellWords("a 'b"), { message: "invalid command line string" });
  for (const [text, ms, shown] of [
    ["1m30s", 90_000, "1m30s"],
    ["1.5h", 5_400_000, "1h30m0s"],
    ["250ms", 250, "250ms"],
    ["1d", 86_400_000, "24h0m0s"],
    ["0", 0, "0s"],
  ] as const) {
    assert.equal(parseDurationMs(text), ms, text);
    assert.equal(durationText(ms), shown, text);
  }
  for (const text of ["", "5", "1x", "s", "1m5"]) assert.throws(() => parseDurationMs(text), /invalid duration/, text);
});

test("services in whole", () => {
  const project = load(
    `
services:
  web:
    image: i
    command: echo "a b"
    entrypoint: []
    environment: {A: 1, B: null, C: "\${D:-d}", N: null}
    env_file: [{path: more.env}, {path: absent.env, required: false}]
    depends_on: {db: {condition: service_healthy, restart: true}, cache: {condition: service_started, required: false}}
    healthcheck: {test: curl x, interval: 1m30s, retries: 3, start_period: 2s}
    ports: ["80", "127.0.0.1:8080-8081:80-81/udp", {target: 90, published: "9000-9010"}]
    volumes:
      - ./src:/src:ro
      - data:/data
      - /anon
      - {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}
      - {type: bind, source: /x, target: /y}
    networks: {front: {aliases: [w], ipv4_address: 10.5.0.9}, back: {}}
    secrets: [s, {source: s, target: /else, uid: "10", mode: 0440}]
    deploy:
      replicas: 3
      resources: {limits: {cpus: "0.5", memory: 64M, pids: 9}}
      restart_policy: {condition: on-failure, max_attempts: 2}
    ulimits: {nofile: {soft: 1, hard: 2}, nproc: 5}
    stop_grace_period: 1m
    extra_hosts: ["a:1.2.3.4", "b=host-gateway"]
    labels: [x=1, y]
    group_add: [10, wheel]
    init: true
    shm_size: 64m
    logging: {driver: json-file, options: {max-size: 10}}
    develop: {watch: [{path: ./src, action: sync, target: /app, ignore: tmp}]}
  db: {image: i, healthcheck: {disable: true}}
  cache: {image: i, profiles: [x], network_mode: "service:db"}
networks: {front: {ipam: {config: [{subnet: 10.5.0.0/16}]}}, back: {internal: true}}
volumes: {data: {}, ext: {external: true}}
secrets: {s: {file: ./secret}}
`,
    { env: { B: "from env" }, files: { "more.env": "A=file\nE=file" } },
  );
  const { cwd } = project;
  const service = project.services.get("web")!;
  assert.deepEqual(service.command, ["echo", "a b"]);
  assert.deepEqual(service.entrypoint, []);
  assert.deepEqual(Object.fromEntries(service.environment), { A: "1", B: "from env", C: "d", N: null, E: "file" });
  assert.deepEqual(service.dependsOn.get("db"), { condition: "service_healthy", required: true, restart: true });
  assert.deepEqual(
    [service.healthcheck?.test, service.healthcheck?.intervalMs, service.healthcheck?.retries],
    [["CMD-SHELL", "curl x"], 90_000, 3],
  );
  assert.deepEqual(
    service.ports.map((each) => `${each.hostIp}|${each.published}|${each.target}|${each.protocol}`),
    ["||80|tcp", "127.0.0.1|8080|80|udp", "127.0.0.1|8081|81|udp", "|9000-9010|90|tcp"],
  );
  assert.deepEqual(
    service.mounts.map((each) => [each.type, each.source, each.target, each.readOnly, each.createHostPath]),
    [
      ["bind", join(cwd, "src"), "/src", true, true],
      ["volume", "data", "/data", false, false],
      ["volume", "", "/anon", false, false],
      ["tmpfs", "", "/t", false, false],
      ["bind", "/x", "/y", false, false],
    ],
  );
  assert.deepEqual([service.mounts[3]!.tmpfsSize, service.mounts[3]!.tmpfsMode], [1 << 20, 0o700]);
  assert.deepEqual(service.networks.get("front")!.aliases, ["w"]);
  assert.deepEqual(
    service.secrets.map((each) => [each.target, each.uid, each.mode]),
    [
      ["", "", undefined],
      ["/else", "10", 0o440],
    ],
  );
  assert.deepEqual([service.scale, service.restart, service.stopGraceMs], [3, "on-failure:2", 60_000]);
  assert.deepEqual(
    [service.resources.cpus, service.resources.memory, service.resources.pids, service.resources.shmSize],
    [0.5, 64 << 20, 9, 64 << 20],
  );
  assert.deepEqual(Object.fromEntries(service.labels), { x: "1", y: "" });
  assert.deepEqual(Object.fromEntries(service.extraHosts), { a: ["1.2.3.4"], b: ["host-gateway"] });
  assert.deepEqual(service.watch[0]!.path, join(cwd, "src"));
  assert.deepEqual([...project.services.keys()], ["web", "db"]);
  assert.deepEqual(
    [...project.networks.values()].map(({ name }) => name),
    ["proj_front", "proj_back", "proj_default"],
  );
  assert.deepEqual(
    [...project.volumes.values()].map(({ name }) => name),
    ["proj_data", "ext"],
  );
  assert.equal(project.secrets.get("s")!.file, join(cwd, "secret"));
  assert.deepEqual(project.warnings, []);
});

test("profiles: those that are named, and those of services that are", () => {
  const text = "services: {a: {image: i}, b: {image: i, profiles: [p]}, c: {image: i, profiles: [p, q]}}";
  const names = (options: LoadOptions) => [...load(text, options).services.keys()];
  assert.deepEqual(names({}), ["a"]);
  assert.deepEqual(names({ profiles: ["q"] }), ["a", "c"]);
  assert.deepEqual(names({ services: ["b"] }), ["a", "b", "c"]);
  assert.deepEqual(names({ profiles: ["*"] }), ["a", "b", "c"]);
});

test("what is wrong with a project is told in compose-go's words", () => {
  const two = (a: string, b = "") => `services: {a: {image: i${a}}, b: {image: i${b}}}`;
  const bad = "invalid compose project";
  const cases: [string, string][] = [
    [two(", depends_on: [b]", ", depends_on: [a]"), "dependency cycle detected: a -> b -> a"],
    [two(", depends_on: [c]"), `service "a" depends on undefined service "c": ${bad}`],
    [two(', network_mode: "service:b"', ', network_mode: "service:a"'), "dependency cycle detected: a -> b -> a"],
    [two(", networks: [n]"), `service "a" refers to undefined network n: ${bad}`],
    [two(', volumes: ["v:/v"]'), `service "a" refers to undefined volume v: ${bad}`],
    [two(", secrets: [s]"), `service "a" refers to undefined secret s: ${bad}`],
    [two(", configs: [s]"), `service "a" refers to undefined config s: ${bad}`],
    [
      two(", network_mode: host, networks: [default]"),
      `service a declares mutually exclusive \`network_mode\` and \`networks\`: ${bad}`,
    ],
    [two(", healthcheck: {test: [x]}"), 'healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE"'],
    [
      two(", scale: 2, container_name: x"),
      `services.a: can't set container_name and scale as container name must be unique: ${bad}`,
    ],
    [
      two(", scale: 2, deploy: {replicas: 3}"),
      `services.a: can't set distinct values on 'scale' and 'deploy.replicas': ${bad}`,
    ],
    [
      two(', volumes: ["/x", "/x/"], tmpfs: /x'),
      "services.a.volumes[0]: target /x already mounted as services.a.tmpfs[0]",
    ],
    [two(", nope: 1"), "services.a additional properties 'nope' not allowed"],
    [two(", ports: {a: 1}"), "services.a.ports: invalid type map[string]interface {} for port"],
    [
      two(", stop_grace_period: soon"),
      "decoding failed due to the following error(s):\n\n'services[a].stop_grace_period' invalid duration: soon",
    ],
    ["services: {a: {image: i}}\nnope: {}", " additional properties 'nope' not allowed"],
    [
      "services: {a: {image: i}}\nsecrets: {s: {}}",
      `secret "s" must declare either \`file\` or \`environment\`: ${bad}`,
    ],
  ];
  for (const [text, message] of cases) assert.throws(() => load(text), { code: "COMPOSE_INVALID", message }, text);
});

test("what is not supported is named with its file and service", () => {
  const { warnings } = load(
    `include: [more.yaml]
services:
  web:
    image: i
    runtime: x
    deploy: {mode: global, update_config: {order: stop-first}, labels: {a: b}}
    ports: [{target: 80, app_protocol: http}]
    x-mine: 1
networks: {n: {driver_opts: {a: b}}}
`,
    { files: { "more.yaml": "services: {other: {image: i, userns_mode: host}}" } },
  );
  assert.deepEqual(warnings.toSorted(), [
    'compose.yaml: network "n": `driver_opts` is not supported and has no effect',
    'compose.yaml: service "web": `deploy.labels` is not supported and has no effect',
    'compose.yaml: service "web": `deploy.mode` is not supported and has no effect: only replicated is',
    'compose.yaml: service "web": `deploy.update_config` is not supported and has no effect',
    'compose.yaml: service "web": `ports.0.app_protocol` is not supported and has no effect',
    'compose.yaml: service "web": `runtime` is not supported and has no effect',
    'more.yaml: service "other": `userns_mode` is not supported and has no effect',
  ]);
});
