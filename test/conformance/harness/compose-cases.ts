// Small projects whose visible behaviour is the same under docker-compose with a Docker Engine and under `slipway compose`: what
// services print, in which order they do, how they end, and with which code `up` does. All run the image `box` (busybox).

export interface ComposeCase {
  readonly name: string;
  /** compose.yaml. */
  readonly yaml: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Words before `up`. */
  readonly globals?: readonly string[];
  /** Words after `up`. */
  readonly up?: readonly string[];
  /** The service whose code counts; without one `up` ends when all have. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Services whose output is not compared: daemons talk when they like. */
  readonly quiet?: readonly string[];
  /** Only the codes count: errors have words of their own. */
  readonly codesOnly?: boolean;
  /** `up -d` first, then these, whose output and codes are compared. */
  readonly then?: readonly (readonly string[])[];
  /** Fetched from the host once all is up. */
  readonly fetch?: string;
}

const sh = (script: string): string => JSON.stringify(["sh", "-c", script.replaceAll("$", "$$$$")]);
const one = (script: string, more = ""): string =>
  `services:\n  main:\n    image: box\n    command: ${sh(script)}\n${more}`;
const indent = (lines: string): string =>
  lines
    .trim()
    .split("\n")
    .map((line) => `    ${line}\n`)
    .join("");
const main = (script: string, lines = "", rest = ""): string =>
  `${one(script, lines === "" ? "" : indent(lines))}${rest}`;
const service = (name: string, lines: string): string => `  ${name}:\n    image: box\n${indent(lines)}`;
const daemon = `command: ${sh("trap 'exit 0' TERM; while :; do sleep 0.1; done")}`;
const web = `command: ${sh("mkdir -p /www; hostname > /www/name; echo served > /www/index.html; exec httpd -f -p 8000 -h /www")}`;
const get = (url: string): string =>
  `for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -T 2 -O - ${url} && exit 0; sleep 0.3; done; echo no answer; exit 1`;
const healthy = (test: string): string =>
  `healthcheck:\n  test: ${test}\n  interval: 300ms\n  timeout: 2s\n  retries: 20`;

export const composeCases: readonly ComposeCase[] = [
  // Commands, environment, codes.
  { name: "output of both streams", yaml: main("echo out; sleep 0.2; echo err >&2") },
  { name: "success", yaml: main("exit 0"), main: "main" },
  { name: "failure", yaml: main("echo bad; exit 7"), main: "main" },
  { name: "killed by a signal", yaml: main("kill -9 $$; sleep 9"), main: "main" },
  {
    name: "command as a line",
    yaml: `services:\n  main:\n    image: box\n    command: printf '%s|%s\\n' "a b" c\\ d\n`,
  },
  { name: "command of the image", yaml: "services:\n  main:\n    image: box-full\n" },
  { name: "command in place of the image's", yaml: "services:\n  main:\n    image: box-full\n    command: [x, y]\n" },
  {
    name: "entrypoint in place of the image's",
    yaml: `services:\n  main:\n    image: box-full\n    entrypoint: [echo, mine]\n`,
  },
  {
    name: "entrypoint and command",
    yaml: `services:\n  main:\n    image: box-full\n    entrypoint: echo a\n    command: [b, c]\n`,
  },
  {
    name: "environment as a mapping",
    yaml: main("env | grep ^V | sort", 'environment: {V1: 1, V2: "true", V3: "", V4: "a=b c"}'),
  },
  {
    name: "environment as a list",
    yaml: main("env | grep ^V | sort", "environment: [V1=1, V2, V3=]"),
    env: { V2: "from-host" },
  },
  {
    name: "environment over the image's",
    yaml: "services:\n  main:\n    image: box-full\n    entrypoint: [sh, -c, 'echo $$OWN']\n    environment: {OWN: changed}\n",
  },
  {
    name: "variables of .env",
    yaml: main("echo ${X}-${Y:-other}-${Z-}").replaceAll("$$", "$"),
    files: { ".env": "X=one\nZ=three\n" },
  },
  {
    name: "variables of the process win",
    yaml: main("echo ${X}").replaceAll("$$", "$"),
    files: { ".env": "X=file\n" },
    env: { X: "process" },
  },
  {
    name: "env_file, and what is said over it",
    yaml: main("env | grep ^V | sort", "env_file: [a.env, b.env]\nenvironment: {V3: own}"),
    files: { "a.env": "V1=a\nV2=a\nV3=a\n", "b.env": "V2=b\n# comment\n" },
  },
  { name: "dollars are kept when doubled", yaml: main("X=5; echo $X") },
  { name: "working_dir", yaml: main("pwd; touch x && ls", "working_dir: /made/for/it") },
  { name: "user by number", yaml: main("id -u; id -g", 'user: "1234:4321"') },
  { name: "user by name", yaml: main("id -un; id -gn; id -G", "user: app") },
  { name: "user of the image", yaml: "services:\n  main:\n    image: box-full\n    entrypoint: [id, -un]\n" },
  { name: "group_add", yaml: main("id -G", "group_add: ['77', '88']") },
  { name: "hostname", yaml: main("hostname; cat /etc/hostname", "hostname: named") },
  { name: "domainname", yaml: main("cat /proc/sys/kernel/domainname", "domainname: example.test") },
  { name: "tty", yaml: main("[ -t 1 ] && echo terminal", "tty: true") },
  { name: "no tty", yaml: main("[ -t 1 ] || echo none; [ -t 0 ] || echo none") },
  // Order and conditions.
  {
    name: "services start in their order",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.6; cat /d/order")}\nvolumes: ["d:/d"]\ndepends_on: [b]`)}${service("b", `command: ${sh("echo b >> /d/order")}\nvolumes: ["d:/d"]\ndepends_on: [a]`)}${service("a", `command: ${sh("echo a >> /d/order")}\nvolumes: ["d:/d"]`)}volumes: {d: {}}\n`,
  },
  {
    name: "one waits for health",
    yaml: `services:\n${service("main", `command: ${sh("cat /d/ready")}\nvolumes: ["d:/d"]\ndepends_on: {db: {condition: service_healthy}}`)}${service("db", `command: ${sh("trap 'exit 0' TERM; sleep 0.8; echo ready > /d/ready; while :; do sleep 0.1; done")}\nvolumes: ["d:/d"]\n${healthy("[CMD, test, -f, /d/ready]")}`)}volumes: {d: {}}\n`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "one waits for another's success",
    yaml: `services:\n${service("main", `command: ${sh("cat /d/done")}\nvolumes: ["d:/d"]\ndepends_on: {job: {condition: service_completed_successfully}}`)}${service("job", `command: ${sh("sleep 0.5; echo done > /d/done")}\nvolumes: ["d:/d"]`)}volumes: {d: {}}\n`,
  },
  {
    name: "a dependency that fails",
    yaml: `services:\n${service("main", `command: [echo, never]\ndepends_on: {job: {condition: service_completed_successfully}}`)}${service("job", `command: ${sh("exit 3")}`)}`,
    up: ["-d"],
    codesOnly: true,
  },
  {
    name: "a dependency that is never healthy",
    yaml: `services:\n${service("main", `command: [echo, never]\ndepends_on: {db: {condition: service_healthy}}`)}${service("db", `${daemon}\nhealthcheck: {test: [CMD, "false"], interval: 200ms, timeout: 1s, retries: 2}`)}`,
    up: ["-d"],
    codesOnly: true,
  },
  {
    name: "health by a shell line",
    yaml: `services:\n${service("main", `command: [echo, well]\ndepends_on: {db: {condition: service_healthy}}`)}${service("db", `${daemon}\n${healthy('"[ -d /tmp ] && exit 0 || exit 1"')}`)}`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "health of the image",
    yaml: `services:\n${service("main", `command: [echo, well]\ndepends_on: {db: {condition: service_healthy}}`)}  db:\n    image: box-full\n    entrypoint: ${sh("trap 'exit 0' TERM; while :; do sleep 0.1; done")}\n`,
    main: "main",
    quiet: ["db"],
  },
  // Networks.
  {
    name: "services are found by name",
    yaml: `services:\n${service("main", `command: ${sh(get("http://db:8000/"))}\ndepends_on: [db]`)}${service("db", web)}`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "an alias",
    yaml: `services:\n${service("main", `command: ${sh(get("http://other:8000/"))}\ndepends_on: [db]\nnetworks: [n]`)}${service("db", `${web}\nnetworks: {n: {aliases: [other]}}`)}networks: {n: {}}\n`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "a container's own name",
    yaml: `services:\n${service("main", `command: ${sh(get("http://slipway-diff-named:8000/"))}\ndepends_on: [db]`)}${service("db", `${web}\ncontainer_name: slipway-diff-named`)}`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "a link with an alias",
    yaml: `services:\n${service("main", `command: ${sh(get("http://linked:8000/"))}\nlinks: ["db:linked"]`)}${service("db", web)}`,
    main: "main",
    quiet: ["db"],
  },
  {
    name: "networks are apart",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.5; wget -q -T 2 -O - http://db:8000/ && echo reached || echo apart")}\ndepends_on: [db]\nnetworks: [a]`)}${service("db", `${web}\nnetworks: [b]`)}networks: {a: {}, b: {}}\n`,
    main: "main",
    quiet: ["db", "main:stderr"],
  },
  {
    name: "a service on two networks",
    yaml: `services:\n${service("main", `command: ${sh("ip -4 -o addr | grep -v ' lo ' | wc -l")}\nnetworks: [a, b]`)}networks: {a: {}, b: {}}\n`,
  },
  {
    name: "an address of one's own",
    yaml: `services:\n${service("main", `command: ${sh("ip -4 -o addr | grep -o '10.214.7.[0-9]*/[0-9]*' | head -1")}\nnetworks: {n: {ipv4_address: 10.214.7.77}}`)}networks: {n: {ipam: {config: [{subnet: 10.214.7.0/24}]}}}\n`,
  },
  {
    name: "an internal network joins its services",
    yaml: `services:\n${service("main", `command: ${sh(get("http://db:8000/"))}\ndepends_on: [db]\nnetworks: [n]`)}${service("db", `${web}\nnetworks: [n]`)}networks: {n: {internal: true}}\n`,
    main: "main",
    quiet: ["db"],
  },
  { name: "no network", yaml: main("ip -o link | wc -l; ip -4 -o addr | wc -l", "network_mode: none") },
  { name: "the host's network", yaml: main("cat /proc/sys/kernel/hostname", "network_mode: host") },
  {
    name: "another service's network",
    yaml: `services:\n${service("main", `command: ${sh(get("http://127.0.0.1:8000/"))}\nnetwork_mode: "service:db"\ndepends_on: [db]`)}${service("db", web)}`,
    main: "main",
    quiet: ["db"],
  },
  { name: "extra_hosts", yaml: main("grep added /etc/hosts | tr '\\t' ' '", 'extra_hosts: ["added.test:10.9.8.7"]') },
  { name: "dns_search", yaml: main("grep ^search /etc/resolv.conf", "dns_search: [one.test, two.test]") },
  {
    name: "a published port",
    yaml: `services:\n${service("main", `${web}\nports: ["127.0.0.1:18473:8000"]`)}`,
    fetch: "http://127.0.0.1:18473/",
  },
  {
    name: "replicas are all found",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.5; nslookup db 2>/dev/null | grep -c '^Address.* [0-9.]*$'")}\ndepends_on: [db]`)}${service("db", daemon)}`,
    main: "main",
    quiet: ["db"],
    up: ["--scale", "db=3"],
  },
  // Volumes, files.
  {
    name: "a volume of two services",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.5; cat /r/f")}\nvolumes: ["v:/r:ro"]\ndepends_on: [w]`)}${service("w", `command: ${sh("echo written > /w/f")}\nvolumes: ["v:/w"]`)}volumes: {v: {}}\n`,
  },
  {
    name: "an anonymous volume",
    yaml: main("echo x > /anon/f && cat /anon/f; mount | grep -c ' /anon '", "volumes: [/anon]"),
  },
  {
    name: "a volume begins with the image's content",
    yaml: "services:\n  main:\n    image: box-full\n    user: root\n    entrypoint: [sh, -c, 'cat /content/file; stat -c %U:%a /content/file']\n    volumes: ['v:/content']\nvolumes: {v: {}}\n",
  },
  {
    name: "nocopy",
    yaml: "services:\n  main:\n    image: box-full\n    user: root\n    entrypoint: [sh, -c, 'ls /content | wc -l']\n    volumes: [{type: volume, source: v, target: /content, volume: {nocopy: true}}]\nvolumes: {v: {}}\n",
  },
  {
    name: "a bind mount",
    yaml: main("cat /src/f; echo back > /src/g", 'volumes: ["./dir:/src"]'),
    files: { "dir/f": "from the host\n" },
  },
  {
    name: "a bind mount to be read only",
    yaml: main("echo x > /src/f 2>/dev/null || echo refused; cat /src/f", 'volumes: ["./dir:/src:ro"]'),
    files: { "dir/f": "kept\n" },
  },
  {
    name: "a bind mount that is made",
    yaml: main("ls /src | wc -l; stat -c %F /src", 'volumes: ["./new/folder:/src"]'),
  },
  {
    name: "a bind mount of a file",
    yaml: main("cat /etc/own.conf", 'volumes: ["./own.conf:/etc/own.conf:ro"]'),
    files: { "own.conf": "setting\n" },
  },
  {
    name: "a bind mount in the long form that is not there",
    yaml: main("echo never", "volumes: [{type: bind, source: ./absent, target: /src}]"),
    up: ["-d"],
    codesOnly: true,
  },
  {
    name: "tmpfs",
    yaml: main("mount | grep ' /scratch ' | cut -d' ' -f1,5; echo x > /scratch/f && cat /scratch/f", "tmpfs: /scratch"),
  },
  {
    name: "tmpfs in the long form",
    yaml: main(
      "df -k /scratch | tail -1 | awk '{print $2}'",
      "volumes: [{type: tmpfs, target: /scratch, tmpfs: {size: 4194304}}]",
    ),
  },
  {
    name: "a root that is read only",
    yaml: main("echo x > /f 2>/dev/null || echo refused; echo y > /w/f && cat /w/f", "read_only: true\ntmpfs: /w"),
  },
  {
    name: "volumes_from",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.4; cat /v/f")}\nvolumes_from: [w]\ndepends_on: [w]`)}${service("w", `command: ${sh("echo theirs > /v/f")}\nvolumes: [/v]`)}`,
  },
  {
    name: "a secret",
    yaml: main("cat /run/secrets/s; stat -c %a /run/secrets/s", "secrets: [s]", "secrets: {s: {file: ./s.txt}}\n"),
    files: { "s.txt": "hidden\n" },
  },
  {
    name: "a secret under another name",
    yaml: main("cat /run/secrets/other", "secrets: [{source: s, target: other}]", "secrets: {s: {file: ./s.txt}}\n"),
    files: { "s.txt": "hidden\n" },
  },
  // Limits and privileges.
  { name: "default capabilities", yaml: main("grep Cap /proc/self/status") },
  { name: "cap_drop", yaml: main("grep CapEff /proc/self/status", "cap_drop: [ALL]") },
  { name: "cap_add", yaml: main("grep CapEff /proc/self/status", "cap_add: [NET_ADMIN, SYS_PTRACE]") },
  {
    name: "no new privileges",
    yaml: main("grep NoNewPrivs /proc/self/status", 'security_opt: ["no-new-privileges:true"]'),
  },
  { name: "seccomp is on", yaml: main("grep ^Seccomp: /proc/self/status") },
  {
    name: "ulimits",
    yaml: main("ulimit -n; ulimit -Hn; ulimit -u", "ulimits: {nofile: {soft: 500, hard: 600}, nproc: 777}"),
  },
  { name: "sysctls", yaml: main("cat /proc/sys/net/core/somaxconn", "sysctls: {net.core.somaxconn: 321}") },
  { name: "shm_size", yaml: main("df -k /dev/shm | tail -1 | awk '{print $2}'", "shm_size: 32m") },
  { name: "init", yaml: main('[ "$(cat /proc/1/comm)" = sh ] && echo shell || echo init', "init: true") },
  {
    name: "masked paths",
    yaml: main(
      "ls /proc/acpi 2>/dev/null | wc -l; cat /proc/kcore 2>/dev/null | head -c 1 | wc -c; echo x 2>/dev/null > /proc/sysrq-trigger || echo refused",
    ),
  },
  { name: "a device", yaml: main("ls -l /dev/own | cut -c1", 'devices: ["/dev/null:/dev/own"]') },
  {
    name: "pid of another service",
    yaml: `services:\n${service("main", `command: ${sh("sleep 0.3; ps | grep -c '[h]ttpd'")}\npid: "service:db"\ndepends_on: [db]`)}${service("db", web)}`,
    main: "main",
    quiet: ["db"],
  },
  // Stopping.
  {
    name: "a stop signal",
    yaml: `services:\n${service("main", `command: ${sh("sleep 1; exit 5")}`)}${service("d", `command: ${sh("trap 'echo usr1; exit 42' USR1; while :; do sleep 0.1; done")}\nstop_signal: SIGUSR1`)}`,
    main: "main",
  },
  {
    name: "who does not stop is killed",
    yaml: `services:\n${service("main", `command: ${sh("sleep 1; exit 5")}`)}${service("d", `command: ${sh("trap '' TERM; while :; do sleep 0.1; done")}\nstop_grace_period: 1s`)}`,
    main: "main",
  },
  {
    name: "restart on failure",
    yaml: main(
      "echo run >> /d/runs; cat /d/runs | wc -l; exit 1",
      'restart: "on-failure:2"\nvolumes: ["d:/d"]',
      "volumes: {d: {}}\n",
    ),
    up: ["-d"],
    then: [["wait-for-end"], ["logs-of", "main"]],
  },
  {
    name: "abort on the first end",
    yaml: `services:\n${service("a", `command: ${sh("sleep 0.7; exit 4")}`)}${service("b", daemon)}`,
    up: ["--abort-on-container-exit"],
  },
  // Files of the project.
  {
    name: "profiles are left out",
    yaml: `services:\n${service("main", "command: [echo, main]")}${service("extra", "command: [echo, extra]\nprofiles: [p]")}`,
  },
  {
    name: "profiles are taken in",
    yaml: `services:\n${service("main", "command: [echo, main]")}${service("extra", "command: [echo, extra]\nprofiles: [p]")}`,
    globals: ["--profile", "p"],
  },
  {
    name: "extends",
    yaml: `services:\n${service("base", "command: [echo, base]\nenvironment: {A: '1'}")}  main:\n    extends: base\n    command: ${sh("echo $A")}\n`,
  },
  {
    name: "extends of another file",
    yaml: `services:\n  main:\n    extends: {file: sub/base.yaml, service: base}\n    environment: {B: '2'}\n`,
    files: {
      "sub/base.yaml": `services:\n${service("base", `command: ${sh("echo $A$B; cat /f")}\nenvironment: {A: '1'}\nvolumes: ['./f:/f']`)}`,
      "sub/f": "beside it\n",
    },
  },
  {
    name: "several files",
    yaml: main("env | grep ^V | sort", "environment: {V1: a, V2: a}"),
    files: { "over.yaml": "services:\n  main:\n    environment: {V2: b, V3: b}\n" },
    globals: ["-f", "compose.yaml", "-f", "over.yaml"],
  },
  {
    name: "anchors and merges",
    yaml: `x-base: &base\n  image: box\n  environment: {A: '1'}\nservices:\n  main:\n    <<: *base\n    command: ${sh("echo $A")}\n`,
  },
  {
    name: "one service of two, with what it needs",
    yaml: `services:\n${service("main", "command: [echo, main]\ndepends_on: [need]")}${service("need", "command: [echo, need]")}${service("other", "command: [echo, other]")}`,
    up: ["main"],
    quiet: ["need"],
  },
  { name: "replicas by a flag", yaml: main("echo one of them"), up: ["--scale", "main=3"] },
  // Verbs.
  {
    name: "exec",
    yaml: `services:\n${service("main", daemon)}`,
    up: ["-d"],
    then: [
      ["exec", "-T", "main", "sh", "-c", "echo in; exit 9"],
      ["exec", "-T", "-e", "K=v", "-w", "/etc", "main", "sh", "-c", "echo $K; pwd"],
      ["exec", "-T", "-u", "app", "main", "id", "-un"],
    ],
  },
  {
    name: "run",
    yaml: `services:\n${service("main", "command: [echo, default]\nenvironment: {A: '1'}\ndepends_on: [db]")}${service("db", daemon)}`,
    up: ["-d", "db"],
    then: [
      ["run", "--rm", "-T", "main", "sh", "-c", "echo $A; exit 6"],
      ["run", "--rm", "-T", "main"],
      ["run", "--rm", "-T", "-e", "A=2", "-w", "/tmp", "--entrypoint", "sh", "main", "-c", "echo $A; pwd"],
    ],
  },
  {
    name: "stop, start and kill",
    yaml: main("echo up; trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done"),
    up: ["-d"],
    then: [["nap"], ["stop"], ["start"], ["nap"], ["kill"], ["logs-of", "main"]],
  },
  {
    name: "up again changes nothing",
    yaml: main(
      "hostname >> /d/names; sort -u /d/names | wc -l; trap 'exit 0' TERM; while :; do sleep 0.1; done",
      'volumes: ["d:/d"]',
      "volumes: {d: {}}\n",
    ),
    up: ["-d"],
    then: [["up", "-d"], ["nap"], ["logs-of", "main"]],
  },
  // What is wrong.
  {
    name: "a command that is not there",
    yaml: "services:\n  main:\n    image: box\n    command: [no-such-program]\n",
    up: ["-d"],
    codesOnly: true,
  },
  {
    name: "a cycle",
    yaml: `services:\n${service("a", "depends_on: [b]")}${service("b", "depends_on: [a]")}`,
    up: ["-d"],
    codesOnly: true,
  },
  { name: "no YAML", yaml: "services:\n  a: [\n", up: ["-d"], codesOnly: true },
  { name: "a network that nobody declares", yaml: main("true", "networks: [nope]"), up: ["-d"], codesOnly: true },
  { name: "a volume that nobody declares", yaml: main("true", 'volumes: ["nope:/x"]'), up: ["-d"], codesOnly: true },
  { name: "an unknown field", yaml: main("true", "nope: 1"), up: ["-d"], codesOnly: true },
  { name: "an unknown user", yaml: main("true", "user: nobody-of-that-name"), up: ["-d"], codesOnly: true },
];

/** Those that `npm test` runs; the others take too long for it. */
export const shortNames: readonly string[] = [
  "failure",
  "env_file, and what is said over it",
  "one waits for health",
  "services are found by name",
  "a volume begins with the image's content",
  "default capabilities",
  "a stop signal",
  "exec",
];
