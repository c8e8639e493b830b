// Compose projects with real containers, by the command alone: the CI job of docs/ci.md with a registry, Ctrl-C, kill -9, ports in use,
// secrets, replicas, watch. Started by compose.test.ts in a network and mount namespace of its own.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { containersConformance } from "../../src/running/projects/containers-conformance.ts";
import { openContainers } from "../../src/running/containers/index.ts";
import { exitOf, until } from "./children.ts";
import { Project, program } from "./project.ts";

const REGISTRY = "127.0.0.1:5000";
let project: Project;
let registry: ChildProcess;

before(async () => {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  project = new Project();
  const context = project.context(`FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin && mkdir -p /tmp /etc && echo root:x:0:0::/:/bin/sh > /etc/passwd && echo app:x:1000:1000::/:/bin/sh >> /etc/passwd"]
`);
  const { code, output } = project.slipway(["build", "-q", "-t", "box", context]);
  assert.equal(code, 0, output);
  const config = join(project.dir, "registry.yml");
  const storage = join(project.dir, "registry");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: "${REGISTRY}"}\n`,
  );
  registry = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  await until(() => spawnSync("busybox", ["wget", "-q", "-O", "-", `http://${REGISTRY}/v2/`]).status === 0);
});

afterEach(() => {
  for (const name of new Set(names("compose", "ls", "-aq"))) slipway("compose", "-p", name, "down", "-v", "-t", "1");
  assert.equal(slipway("ps", "-aq").stdout, "");
  const links = execFileSync("ip", ["-o", "link"], { encoding: "utf8" });
  assert.doesNotMatch(links, /: (sw-|veth)/, "bridges and wires left behind");
});

after(async () => {
  registry.kill();
  await exitOf(registry);
  project[Symbol.dispose]();
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function slipway(...argv: string[]): Outcome {
  return slipwayIn(project.dir, {}, ...argv);
}

function slipwayIn(cwd: string, env: Record<string, string>, ...argv: string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    encoding: "utf8",
    cwd,
    env: { ...process.env, SLIPWAY_ROOT: project.state, BUILDKIT_PROGRESS: "plain", ...env },
    timeout: 90_000,
  });
  return { code: status, stdout, stderr };
}

function start(cwd: string, ...argv: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [program, "compose", ...argv], {
    cwd,
    env: { ...process.env, SLIPWAY_ROOT: project.state },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}

function names(...argv: string[]): string[] {
  return slipway(...argv)
    .stdout.split("\n")
    .filter((each) => each !== "");
}

/** A folder with these files. */
function folder(name: string, files: Record<string, string>): string {
  const dir = join(project.dir, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true });
    writeFileSync(join(dir, file), text);
  }
  return dir;
}

containersConformance({
  name: "real containers",
  open: () => openContainers({ root: project.state }),
  image: "box",
  ends: (code, afterMs) => ["sh", "-c", `echo hello; sleep ${afterMs / 1000}; exit ${code}`],
  runs: ["sh", "-c", "echo hello; trap 'exit 0' TERM; while :; do sleep 0.1; done"],
  fails: ["no-such-program"],
  well: ["CMD", "true"],
});

const daemon = `["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]`;
const state = (name: string, service: string) =>
  slipway("compose", "-p", name, "ps", "-a", "--format", "{{.State}}", service).stdout.trim();

test("the CI job: build, test, take down, push what was tested", () => {
  const cwd = folder("ci", {
    "compose.yaml": `services:
  db:
    build: {context: ., dockerfile_inline: "FROM box\\nRUN mkdir /db"}
    image: ${REGISTRY}/team/db:1
    command: ["sh", "-c", "sleep 0.5; touch /db/ready; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck: {test: [CMD, test, -f, /db/ready], interval: 200ms, retries: 50}
    volumes: ["data:/db/data"]
  api:
    build: {context: ., dockerfile_inline: "FROM box\\nRUN mkdir /www && echo answer > /www/index.html"}
    image: ${REGISTRY}/team/api:1
    command: [httpd, -f, -p, "8000", -h, /www]
    init: true
    depends_on: {db: {condition: service_healthy}}
  tests:
    build: {context: ., dockerfile_inline: "FROM box\\nRUN echo tests"}
    command: ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do wget -q -O - http://api:8000/ && exit \${CODE:-0}; sleep 0.2; done; exit 1"]
    depends_on: [api]
volumes: {data: {}}
`,
  });
  const up = slipwayIn(cwd, {}, "compose", "up", "--build", "--exit-code-from", "tests");
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /^tests-1 {2}\| answer$/m);
  assert.match(up.stdout, /^tests-1 exited with code 0$/m);
  assert.equal(slipway("compose", "-p", "ci", "ps", "-aq").stdout, "");
  assert.doesNotMatch(slipway("network", "ls").stdout, /ci_default/);
  const tested = JSON.parse(readFileSync(join(project.state, "projects/ci/tested.json"), "utf8")) as {
    exitCode: number;
    services: Record<string, { digest: string }>;
  };
  assert.equal(tested.exitCode, 0);

  const push = slipwayIn(cwd, {}, "compose", "push");
  assert.equal(push.code, 0, push.stderr);
  for (const service of ["db", "api"]) {
    const argv = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${REGISTRY}/team/${service}:1`];
    const digest = execFileSync("skopeo", argv, { encoding: "utf8" }).trim();
    assert.equal(digest, tested.services[service]!.digest);
    assert.ok(push.stdout.includes(digest));
  }

  assert.equal(slipwayIn(cwd, {}, "compose", "build", "--no-cache", "api").code, 0);
  const changed = slipwayIn(cwd, {}, "compose", "push");
  assert.equal(changed.code, 1);
  assert.match(
    changed.stderr,
    /^ERROR: image 127\.0\.0\.1:5000\/team\/api:1 of service "api" is sha256:\w+ now, but sha256:\w+ is what the last up ran\n/m,
  );
  const failed = slipwayIn(cwd, { CODE: "5" }, "compose", "up", "--build", "--exit-code-from", "tests");
  assert.equal(failed.code, 5, failed.stderr);
  const refused = slipwayIn(cwd, {}, "compose", "push");
  assert.match(refused.stderr, /the last tests of project ci ended with exit code 5/);
});

test("Ctrl-C stops all, a second one kills who does not stop", async () => {
  const cwd = folder("interrupt", {
    "compose.yaml": `services:
  good: {image: box, command: ${daemon}}
  bad: {image: box, command: ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], stop_grace_period: 60s}
`,
  });
  const { child, output } = start(cwd, "up");
  await until(() => state("interrupt", "good") === "running" && state("interrupt", "bad") === "running");
  child.kill("SIGINT");
  await until(() => state("interrupt", "good") === "exited");
  child.kill("SIGINT");
  assert.equal(await exitOf(child), 130, output());
  assert.match(output(), /Gracefully stopping\.\.\. \(press Ctrl\+C again to force\)/);
  assert.equal(state("interrupt", "bad"), "exited");
});

test("a command that is killed leaves its containers to run, and the next one finds them", async () => {
  const cwd = folder("killed", { "compose.yaml": `services:\n  one: {image: box, command: ${daemon}}\n` });
  const { child } = start(cwd, "up");
  await until(() => state("killed", "one") === "running");
  child.kill("SIGKILL");
  await exitOf(child);
  assert.equal(state("killed", "one"), "running");
  const again = slipwayIn(cwd, {}, "compose", "up", "-d");
  assert.match(again.stderr, / Container killed-one-1 {2}Running\n/);
});

test("a port in use fails its service alone", async () => {
  const server = createServer().listen(18999, "127.0.0.1");
  await once(server, "listening");
  try {
    const cwd = folder("taken", {
      "compose.yaml": `services:
  other: {image: box, command: ${daemon}}
  web: {image: box, command: ${daemon}, ports: ["127.0.0.1:18999:80"]}
  needs: {image: box, command: ${daemon}, depends_on: [web]}
`,
    });
    const up = slipwayIn(cwd, {}, "compose", "up", "-d");
    assert.equal(up.code, 1);
    assert.match(up.stderr, /ERROR: .*(port is already allocated|address already in use)/);
    assert.equal(state("taken", "other"), "running");
    assert.equal(state("taken", "needs"), "created");
  } finally {
    server.close();
  }
});

test("secrets and configs from variables, files and the compose file itself, with owner and mode", () => {
  const cwd = folder("files", {
    "token.txt": "from a file\n",
    "compose.yaml": `services:
  show:
    image: box
    user: app
    command: ["sh", "-c", "cd /run/secrets; cat plain owned env; stat -c '%n %u:%g %a' owned env; cat /inline /etc/app.conf"]
    secrets: [plain, {source: plain, target: owned, uid: "1000", gid: "1000", mode: 0400}, {source: env, uid: "1000", mode: 0440}]
    configs: [inline, {source: inline, target: /etc/app.conf}]
secrets: {plain: {file: ./token.txt}, env: {environment: TOKEN}}
configs: {inline: {content: "value=\${TOKEN}\\n"}}
`,
  });
  const up = slipwayIn(cwd, { TOKEN: "secret" }, "compose", "up", "--no-log-prefix");
  assert.equal(
    up.stdout.replace(/show-1 exited.*\n/, ""),
    "from a file\nfrom a file\nsecretowned 1000:1000 400\nenv 1000:0 440\nvalue=secret\nvalue=secret\n",
    up.stderr,
  );
  const missing = slipwayIn(cwd, {}, "compose", "up", "--force-recreate");
  assert.match(missing.stderr, /environment variable "TOKEN" required by secret "env" is not set/);
});

test("what has changed is made anew and keeps its anonymous volumes; replicas come and go", () => {
  const text = (value: string) => `services:
  one: {image: box, command: ${daemon}, environment: {X: "${value}"}, volumes: [/kept], ports: ["80"]}
`;
  const cwd = folder("again", { "compose.yaml": text("1") });
  assert.equal(slipwayIn(cwd, {}, "compose", "up", "-d", "--wait").code, 0);
  slipwayIn(cwd, {}, "compose", "exec", "-T", "one", "sh", "-c", "echo here > /kept/f");
  writeFileSync(join(cwd, "compose.yaml"), text("2"));
  const again = slipwayIn(cwd, {}, "compose", "up", "-d");
  assert.match(again.stderr, / Container again-one-1 {2}Recreated\n/);
  const kept = slipwayIn(cwd, {}, "compose", "exec", "-T", "one", "sh", "-c", "echo $X; cat /kept/f");
  assert.equal(kept.stdout, "2\nhere\n", kept.stderr);
  slipwayIn(cwd, {}, "compose", "up", "-d", "--renew-anon-volumes", "--force-recreate");
  assert.equal(slipwayIn(cwd, {}, "compose", "exec", "-T", "one", "ls", "/kept").stdout, "");
  assert.equal(slipwayIn(cwd, {}, "compose", "scale", "one=3").code, 0);
  assert.equal(slipwayIn(cwd, {}, "compose", "ps", "-q").stdout.trim().split("\n").length, 3);
  assert.match(slipwayIn(cwd, {}, "compose", "port", "--index", "2", "one", "80").stdout, /^0\.0\.0\.0:\d+\n$/);
  assert.match(slipwayIn(cwd, {}, "compose", "top", "one").stdout, /again-one-1\n/);
  slipwayIn(cwd, {}, "compose", "up", "-d", "--scale", "one=1");
  assert.equal(slipwayIn(cwd, {}, "compose", "ps", "-q").stdout.trim().split("\n").length, 1);
  writeFileSync(join(cwd, "local"), "copied\n");
  assert.equal(slipwayIn(cwd, {}, "compose", "cp", "local", "one:/tmp/there").code, 0);
  assert.equal(slipwayIn(cwd, {}, "compose", "cp", "one:/tmp/there", "back").code, 0);
  assert.equal(readFileSync(join(cwd, "back"), "utf8"), "copied\n");
});

test("watched files are copied into the container", async () => {
  const cwd = folder("watched", {
    "src/a.txt": "one\n",
    "compose.yaml": `services:
  one:
    image: box
    command: ${daemon}
    develop: {watch: [{path: ./src, action: sync, target: /app, ignore: ["*.tmp"]}]}
`,
  });
  assert.equal(slipwayIn(cwd, {}, "compose", "up", "-d").code, 0);
  const { child, output } = start(cwd, "watch", "--no-up");
  await until(() => output().includes("Watch enabled"));
  await sleep(300);
  writeFileSync(join(cwd, "src/a.txt"), "two\n");
  writeFileSync(join(cwd, "src/b.tmp"), "no\n");
  const content = () =>
    slipwayIn(cwd, {}, "compose", "exec", "-T", "one", "sh", "-c", "cat /app/a.txt; ls /app").stdout;
  await until(() => content() === "two\na.txt\n");
  child.kill("SIGINT");
  await exitOf(child);
});

test("health that never comes, in a time that is given", () => {
  const cwd = folder("never", {
    "compose.yaml": `services:\n  one: {image: box, command: ${daemon}, healthcheck: {test: [CMD, "false"], interval: 200ms, retries: 100, start_period: 60s}}\n`,
  });
  const up = slipwayIn(cwd, {}, "compose", "up", "-d", "--wait", "--wait-timeout", "2");
  assert.equal(up.code, 1);
  assert.match(up.stderr, /ERROR: application not healthy after 2s\n/);
  assert.deepEqual(
    readdirSync(join(project.state, "containers")).filter((each) => /^[0-9a-f]{64}$/.test(each)).length,
    1,
  );
});
