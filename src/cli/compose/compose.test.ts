// `slipway compose` against containers in memory: words, exit codes, what is printed where, and which files are read.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { FakeMachine } from "../../running/projects/test-containers.ts";
import { run } from "../test-shell.ts";
import type { Run, RunOptions } from "../test-shell.ts";

interface Place extends Disposable {
  readonly cwd: string;
  readonly machine: FakeMachine;
  compose(...argv: string[]): Promise<Run>;
  with(options: RunOptions, ...argv: string[]): Promise<Run>;
}

function place(files: Record<string, string>): Place {
  const cwd = mkdtempSync(join(tmpdir(), "slipway-compose-cli-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  const machine = new FakeMachine();
  const root = join(cwd, "state");
  const withOptions = (options: RunOptions, ...argv: string[]) =>
    run(["--root", root, "compose", ...argv], { cwd, machine, ...options });
  return {
    cwd,
    machine,
    with: withOptions,
    compose: (...argv) => withOptions({}, ...argv),
    [Symbol.dispose]: () => rmSync(cwd, { recursive: true }),
  };
}

const two = "name: p\nservices:\n  a: {image: i}\n  b: {image: i, depends_on: [a]}\n";

test("up -d, ps, logs, stop, down", async () => {
  using here = place({ "compose.yaml": two });
  const up = await here.compose("up", "-d");
  assert.equal(up.code, 0, up.stderr);
  assert.equal(up.stdout, "");
  for (const line of [" Network p_default  Created", " Container p-a-1  Created", " Container p-b-1  Started"]) {
    assert.ok(up.stderr.includes(`${line}\n`), line);
  }
  const ps = await here.compose("ps");
  assert.match(ps.stdout, /^NAME +IMAGE +COMMAND +SERVICE +CREATED +STATUS +PORTS\np-a-1 +i +.* a +.* Up /);
  assert.equal((await here.compose("ps", "--services")).stdout, "a\nb\n");
  assert.equal(JSON.parse((await here.compose("ps", "--format", "json", "b")).stdout).Name, "p-b-1");
  await here.compose("stop", "b");
  assert.equal(
    (await here.compose("ps", "-a", "--format", "{{.Name}} {{.State}}")).stdout,
    "p-a-1 running\np-b-1 exited\n",
  );
  const logs = await here.compose("logs");
  assert.equal(logs.stdout, "a-1  | hello from p-a-1\nb-1  | hello from p-b-1\n");
  assert.equal((await here.compose("logs", "--no-log-prefix", "b")).stdout, "hello from p-b-1\n");
  const ls = await here.compose("ls");
  assert.match(
    ls.stdout,
    new RegExp(`^NAME +STATUS +CONFIG FILES\np +exited\\(1\\), running\\(1\\) +${here.cwd}/compose.yaml\n$`),
  );
  const down = await here.compose("down");
  assert.equal(down.code, 0);
  assert.ok(
    down.stderr.includes(" Container p-b-1  Removed\n") && down.stderr.includes(" Network p_default  Removed\n"),
  );
  assert.deepEqual(here.machine.statuses(), []);
});

test("by its name alone, where there are no files", async () => {
  using here = place({ "sub/compose.yaml": two });
  await here.with({ cwd: join(here.cwd, "sub") }, "up", "-d");
  assert.equal((await here.compose("-p", "p", "ps", "--services")).stdout, "a\nb\n");
  const missing = await here.compose("ps");
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^ERROR: no configuration file provided: not found\nhint: compose.yaml/);
  const down = await here.compose("-p", "p", "down", "--remove-orphans");
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(here.machine.statuses(), []);
  assert.deepEqual(here.machine.networkRows, []);
  assert.equal(here.machine.log.filter((line) => line.startsWith("remove ")).at(0), "remove p-b-1");
});

test("files, overrides, environment and names are found as docker compose finds them", async () => {
  using here = place({
    "app/compose.yaml": "services: {web: {image: 'i:${TAG}'}}",
    "app/compose.override.yaml": "services: {web: {environment: {A: '1'}}}",
    "app/.env": "TAG=fromenv\nCOMPOSE_PROFILES=x\n",
    "app/deep/er/file": "",
    "other.yaml": "services: {other: {image: i}, hidden: {image: i, profiles: [x]}}",
    "named.yaml": "name: given\nservices: {other: {image: i}}",
    "more.env": "TAG=more\n",
  });
  const config = (options: RunOptions, ...argv: string[]) => here.with(options, ...argv, "--format", "json");
  const inner = { cwd: join(here.cwd, "app/deep/er") };
  const found = JSON.parse((await config(inner, "config")).stdout) as {
    name: string;
    services: Record<string, { image: string; environment: object }>;
  };
  assert.deepEqual(
    [found.name, found.services["web"]!.image, found.services["web"]!.environment],
    ["app", "i:fromenv", { A: "1" }],
  );
  const more = await config(inner, "--env-file", join(here.cwd, "more.env"), "config");
  assert.equal(JSON.parse(more.stdout).services.web.image, "i:more");
  const listed = (options: RunOptions, ...argv: string[]) => here.with(options, ...argv, "config", "--services");
  assert.equal((await listed({}, "-f", "other.yaml")).stdout, "other\n");
  assert.equal((await listed({}, "-f", "other.yaml", "--profile", "x")).stdout, "hidden\nother\n");
  assert.equal(
    (await listed({ env: { COMPOSE_FILE: "other.yaml", COMPOSE_PROFILES: "x" } })).stdout,
    "hidden\nother\n",
  );
  const named = async (options: RunOptions, ...argv: string[]) =>
    JSON.parse((await config(options, ...argv, "config")).stdout).name as string;
  assert.equal(await named({}, "-f", "named.yaml"), "given");
  assert.equal(await named({ env: { COMPOSE_PROJECT_NAME: "env" } }, "-f", "named.yaml"), "env");
  assert.equal(await named({ env: { COMPOSE_PROJECT_NAME: "env" } }, "-f", "named.yaml", "-p", "flag"), "flag");
  const bad = await here.compose("-f", "named.yaml", "-p", "Bad", "config");
  assert.match(bad.stderr, /^ERROR: invalid project name "Bad": must consist only of lowercase/);
  const stdin = await here.with({ stdin: "name: p\nservices: {piped: {image: i}}" }, "-f", "-", "config", "--services");
  assert.equal(stdin.stdout, "piped\n");
});

test("config in its canonical form", async () => {
  using here = place({
    "compose.yaml":
      'name: p\nservices:\n  web:\n    build: .\n    command: echo "a b"\n    ports: ["80:80"]\n    environment: [A=1]\n    volumes: [".:/src"]\n    healthcheck: {test: x, interval: 90s}\n    depends_on: [db]\n  db: {image: "i", environment: {P: $$x}}\nvolumes: {v: }\n',
  });
  const { stdout } = await here.compose("config");
  assert.equal(
    stdout,
    `name: p
services:
  db:
    command: null
    entrypoint: null
    environment:
      P: $$x
    image: i
    networks:
      default: null
  web:
    build:
      context: ${here.cwd}
      dockerfile: Dockerfile
    command:
      - echo
      - a b
    depends_on:
      db:
        condition: service_started
        required: true
    entrypoint: null
    environment:
      A: "1"
    healthcheck:
      interval: 1m30s
      test:
        - CMD-SHELL
        - x
    networks:
      default: null
    ports:
      - mode: ingress
        protocol: tcp
        published: "80"
        target: 80
    volumes:
      - bind:
          create_host_path: true
        source: ${here.cwd}
        target: /src
        type: bind
networks:
  default:
    name: p_default
volumes:
  v:
    name: p_v
`,
  );
  assert.equal((await here.compose("config", "--images")).stdout, "i\np-web\n");
  assert.equal((await here.compose("config", "--volumes")).stdout, "v\n");
  assert.match((await here.compose("config", "--hash", "*")).stdout, /^db [0-9a-f]{64}\nweb [0-9a-f]{64}\n$/);
  const again = await here.with({ stdin: stdout }, "-f", "-", "config");
  assert.equal(again.stdout, stdout);
  const quiet = await here.compose("config", "-q");
  assert.deepEqual([quiet.code, quiet.stdout], [0, ""]);
});

test("an attached up shows output and ends with its containers; --exit-code-from returns a code and takes all down", async () => {
  using here = place({
    "compose.yaml":
      "name: p\nservices:\n  db: {image: i, healthcheck: {test: [CMD, ok]}}\n  tests: {image: i, command: [exit, '3', '20'], depends_on: {db: {condition: service_healthy}}}\n",
  });
  const up = await here.compose("up", "--exit-code-from", "tests");
  assert.equal(up.code, 3, up.stderr);
  assert.match(up.stdout, /tests-1 {2}\| hello from p-tests-1\n/);
  assert.match(up.stdout, /db-1 {5}\| hello from p-db-1\n/);
  assert.match(up.stdout, /tests-1 exited with code 3\n/);
  assert.match(up.stderr, /Attaching to db-1, tests-1\n/);
  assert.match(up.stderr, /Aborting on container exit\.\.\.\n/);
  assert.deepEqual(here.machine.statuses(), []);
  assert.deepEqual(here.machine.networkRows, []);
  const kept = await here.compose("up", "--exit-code-from", "tests", "--keep");
  assert.equal(kept.code, 3);
  assert.deepEqual(here.machine.statuses(), ["p-db-1 exited", "p-tests-1 exited"]);
});

test("Ctrl-C stops what runs", async () => {
  using here = place({ "compose.yaml": two });
  let send: ((signal: "SIGINT") => void) | undefined;
  const running = here.with({ onReady: (deliver) => (send = deliver) }, "up");
  while (here.machine.statuses().filter((each) => each.endsWith("running")).length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  send!("SIGINT");
  const up = await running;
  assert.equal(up.code, 130);
  assert.match(up.stderr, /Gracefully stopping\.\.\. \(press Ctrl\+C again to force\)\n/);
  assert.deepEqual(here.machine.statuses(), ["p-a-1 exited", "p-b-1 exited"]);
});

test("what is wrong is said plainly", async () => {
  using here = place({
    "compose.yaml": two,
    "cycle.yaml": "services: {a: {image: i, depends_on: [b]}, b: {image: i, depends_on: [a]}}",
    "broken.yaml": "services:\n  a:\n   image: [\n",
    "warn.yaml": "services: {a: {image: i, runtime: x}}",
  });
  const cases: [string[], RegExp][] = [
    [["up", "-d", "nope"], /^ERROR: no such service: nope\n$/],
    [["-f", "cycle.yaml", "up", "-d"], /^ERROR: dependency cycle detected: a -> b -> a\n$/],
    [["-f", "broken.yaml", "up", "-d"], /^ERROR: failed to parse broken.yaml: yaml: line 4, column 1: /],
    [["-f", "none.yaml", "ps"], /^ERROR: open none.yaml: no such file or directory\n$/],
    [["up", "--force-recreate", "--no-recreate", "-d"], /incompatible/],
    [["up", "-d", "--exit-code-from", "a"], /cannot be combined/],
    [["up", "-d", "--scale", "a"], /invalid scale specifier "a"/],
    [["--dry-run", "up", "-d"], /--dry-run is not in this version/],
    [["exec", "a", "ls"], /^ERROR: service "a" is not running\n$/],
    [["nope"], /^slipway: unknown command: slipway compose nope\n/],
    [["upp"], /Did you mean 'slipway compose up'\?/],
    [["up", "--nope"], /^unknown flag: --nope\n\nUsage: {2}slipway compose up /],
  ];
  for (const [argv, message] of cases) {
    const { code, stderr } = await here.compose(...argv);
    assert.equal(code, 1, argv.join(" "));
    assert.match(stderr, message, argv.join(" "));
  }
  const warned = await here.compose("-f", "warn.yaml", "config", "-q");
  assert.equal(warned.stderr, 'WARNING: warn.yaml: service "a": `runtime` is not supported and has no effect\n');
});

test("run, exec, kill, rm, wait, port", async () => {
  using here = place({ "compose.yaml": `${two}  once: {image: i, profiles: [tools], command: [exit, '4']}\n` });
  await here.compose("up", "-d");
  const detached = await here.compose("run", "-d", "--name", "x", "-e", "K=v", "once", "exit", "5");
  assert.deepEqual([detached.code, detached.stdout], [0, "x\n"], detached.stderr);
  const config = [...here.machine.known.values()].find(({ name }) => name === "x")!.config;
  assert.deepEqual(
    [config.command, config.env, config.labels["com.docker.compose.oneoff"]],
    [["exit", "5"], ["K=v"], "True"],
  );
  assert.equal((await here.compose("exec", "a", "exit", "6")).code, 6);
  assert.equal((await here.compose("kill", "-s", "TERM", "b")).code, 0);
  assert.ok(here.machine.log.includes("kill p-b-1 TERM"));
  assert.equal((await here.compose("rm", "-f", "b")).code, 0);
  assert.deepEqual(
    here.machine.statuses().filter((each) => each.startsWith("p-")),
    ["p-a-1 running"],
  );
  const port = await here.compose("port", "a", "80");
  assert.match(port.stderr, /no port 80\/tcp for container p-a-1/);
  const waiting = here.compose("wait", "a");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await here.machine.containers.stop("p-a-1");
  const waited = await waiting;
  assert.deepEqual([waited.code, waited.stdout], [143, 'container "p-a-1" exited with status code 143\n']);
});
