// What a project does with its containers: order, waits, what is made anew and what stays, what a failure leaves, how an attached run ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCompose, readRunProject } from "../../frontends/compose/index.ts";
import type { RunProject } from "../../frontends/compose/index.ts";
import {
  AttachedRun,
  createProject,
  downProject,
  planImages,
  pullImages,
  restartProject,
  startServices,
  stopProject,
  withDependencies,
} from "./index.ts";
import type { AttachedOptions, UpOptions, Work } from "./index.ts";
import { containersConformance } from "./containers-conformance.ts";
import { FakeMachine } from "./test-containers.ts";

containersConformance({
  name: "containers in memory",
  open: () => Promise.resolve(new FakeMachine().containers),
  image: "i",
  ends: (code, afterMs) => ["exit", String(code), String(afterMs)],
  runs: ["run"],
  fails: ["fail"],
  well: ["CMD", "ok"],
});

function projectOf(text: string): RunProject {
  const host = { cwd: "/nowhere" };
  const environment = new Map<string, string>();
  const document = loadCompose([{ name: "c.yaml", data: Buffer.from(text) }], host, environment, "p");
  const options = { name: "p", files: ["c.yaml"], profiles: [], services: [] };
  return readRunProject(document, host, environment, options);
}

interface Bench {
  readonly work: Work;
  readonly machine: FakeMachine;
  readonly events: string[];
  readonly warnings: string[];
}

function bench(text: string, machine = new FakeMachine(), signal = new AbortController().signal): Bench {
  const events: string[] = [];
  const warnings: string[] = [];
  const work: Work = {
    project: projectOf(text),
    ports: machine,
    onEvent: ({ subject, status }) => events.push(`${subject} ${status}`),
    warn: (line) => warnings.push(line),
    signal,
  };
  return { work, machine, events, warnings };
}

const defaults: UpOptions = {
  recreate: "diverged",
  recreateDependencies: "diverged",
  asked: [],
  renewVolumes: false,
  scale: new Map(),
  removeOrphans: false,
  ignoreOrphans: false,
};

async function up({ work }: Bench, options: Partial<UpOptions> = {}): Promise<void> {
  const services = withDependencies(work.project.services, options.asked ?? []);
  const { members } = await createProject(work, services, { ...defaults, ...options });
  await startServices(work, services, members);
}

const chain = `services:
  api: {image: i, depends_on: [db, cache]}
  db: {image: i, command: [run]}
  cache: {image: i}
  web: {image: i, depends_on: {api: {condition: service_healthy}}, command: [x]}`.replace(
  "api: {image: i,",
  "api: {image: i, healthcheck: {test: [CMD, ok, '20']},",
);

test("services start along what they depend on, and are taken down in the reverse", async () => {
  const one = bench(chain);
  await up(one);
  const at = (line: string) => one.machine.log.indexOf(line);
  assert.ok(at("start p-db-1") < at("start p-api-1") && at("start p-cache-1") < at("start p-api-1"));
  assert.ok(at("start p-api-1") < at("start p-web-1"));
  assert.ok(one.events.indexOf("Container p-api-1 Healthy") < one.events.indexOf("Container p-web-1 Starting"));
  one.machine.clear();
  await downProject(one.work, {
    volumes: false,
    anonymousVolumes: false,
    removeOrphans: false,
    images: "",
    services: [],
  });
  assert.deepEqual(
    one.machine.log.filter((line) => line.startsWith("remove ")).map((line) => line.slice(7)),
    ["p-web-1", "p-api-1", ...["p-db-1", "p-cache-1"], "network p_default"],
  );
  assert.deepEqual(one.machine.statuses(), []);
  await downProject(one.work, {
    volumes: false,
    anonymousVolumes: false,
    removeOrphans: false,
    images: "",
    services: [],
  });
  assert.deepEqual(one.warnings, ['No resource found to remove for project "p".']);
});

test("what has changed is made anew, the rest stays", async () => {
  const machine = new FakeMachine();
  await up(bench("services: {a: {image: i}, b: {image: i}}", machine));
  machine.clear();
  const second = bench("services: {a: {image: i, environment: {X: '1'}}, b: {image: i}}", machine);
  await up(second);
  assert.deepEqual(machine.log, [
    "create 000000000000_p-a-1",
    "stop p-a-1",
    "end p-a-1 143",
    "remove p-a-1",
    "rename 000000000000_p-a-1 p-a-1",
    "start p-a-1",
  ]);
  assert.ok(second.events.includes("Container p-b-1 Running"));
  machine.clear();
  await up(second);
  assert.equal(machine.log.length, 0);
  machine.imageDigests.set("i", "sha256:new");
  await up(second, { recreate: "never" });
  assert.equal(machine.log.length, 0);
  await up(second, { asked: ["a"] });
  assert.equal(machine.log.filter((line) => line.startsWith("create")).length, 1);
  await up(second, { recreate: "force" });
  assert.equal(machine.log.filter((line) => line.startsWith("create")).length, 3);
});

test("replicas come and go by their numbers", async () => {
  const machine = new FakeMachine();
  const one = bench("services: {a: {image: i, deploy: {replicas: 3}}}", machine);
  await up(one);
  assert.deepEqual(machine.statuses(), ["p-a-1 running", "p-a-2 running", "p-a-3 running"]);
  await machine.containers.remove("p-a-2", { force: true });
  await up(one, { scale: new Map([["a", 4]]) });
  assert.deepEqual(machine.statuses(), ["p-a-1 running", "p-a-2 running", "p-a-3 running", "p-a-4 running"]);
  await up(one, { scale: new Map([["a", 1]]) });
  assert.deepEqual(machine.statuses(), ["p-a-1 running"]);
  await up(one, { scale: new Map([["a", 0]]) });
  assert.deepEqual(machine.statuses(), []);
});

test("a dependency that fails keeps back those that need it, and nobody else", async () => {
  const cases: [string, RegExp, string[]][] = [
    [
      "db: {image: i, healthcheck: {test: [CMD, bad]}}, web: {image: i, depends_on: {db: {condition: service_healthy}}}",
      /dependency failed to start: container p-db-1 is unhealthy$/,
      ["p-db-1 running", "p-other-1 running", "p-web-1 created"],
    ],
    [
      "db: {image: i, healthcheck: {test: [CMD, ok, '50']}, command: [exit, '3']}, web: {image: i, depends_on: {db: {condition: service_healthy}}}",
      /dependency failed to start: container p-db-1 exited \(3\)$/,
      ["p-db-1 exited", "p-other-1 running", "p-web-1 created"],
    ],
    [
      "db: {image: i}, web: {image: i, depends_on: {db: {condition: service_healthy}}}",
      /dependency failed to start: container p-db-1 has no healthcheck configured$/,
      ["p-db-1 running", "p-other-1 running", "p-web-1 created"],
    ],
    [
      "db: {image: i, command: [exit, '2']}, web: {image: i, depends_on: {db: {condition: service_completed_successfully}}}",
      /service "db" didn't complete successfully: exit 2$/,
      ["p-db-1 exited", "p-other-1 running", "p-web-1 created"],
    ],
    [
      "db: {image: i, command: [fail]}, web: {image: i, depends_on: [db]}",
      /executable file not found/,
      ["p-db-1 created", "p-other-1 running", "p-web-1 created"],
    ],
  ];
  for (const [services, message, expected] of cases) {
    const one = bench(`services: {other: {image: i}, ${services}}`);
    await assert.rejects(up(one), message);
    assert.deepEqual(one.machine.statuses(), expected, services);
  }
  const optional = bench(
    "services: {db: {image: i, command: [exit, '2']}, web: {image: i, depends_on: {db: {condition: service_completed_successfully, required: false}}}}",
  );
  await up(optional);
  assert.deepEqual(optional.machine.statuses(), ["p-db-1 exited", "p-web-1 running"]);
  assert.match(optional.warnings[0]!, /optional dependency "db" failed to start/);
});

test("a dependency that is made anew takes along those that share with it or say so", async () => {
  const text = (x: string) =>
    `services: {a: {image: i, environment: {X: '${x}'}}, b: {image: i, network_mode: "service:a"}, c: {image: i, depends_on: {a: {condition: service_started, restart: true}}}, d: {image: i, depends_on: [a]}}`;
  const machine = new FakeMachine();
  await up(bench(text("1"), machine));
  machine.clear();
  await up(bench(text("2"), machine));
  const done = (verb: string) =>
    machine.log.filter((line) => line.startsWith(`${verb} `)).map((line) => line.slice(verb.length + 1));
  assert.deepEqual(done("create"), ["000000000000_p-a-1", "000000000000_p-b-1"]);
  assert.deepEqual(done("stop").toSorted(), ["p-a-1", "p-b-1", "p-c-1"]);
  assert.deepEqual(done("start").toSorted(), ["p-a-1", "p-b-1", "p-c-1"]);
});

test("orphans are named, and removed where that is asked for", async () => {
  const machine = new FakeMachine();
  await up(bench("services: {a: {image: i}, old: {image: i}}", machine));
  const one = bench("services: {a: {image: i}}", machine);
  await up(one);
  assert.match(one.warnings[0]!, /^Found orphan containers \(\[p-old-1\]\) for this project\. If you removed/);
  await up(one, { removeOrphans: true });
  assert.deepEqual(machine.statuses(), ["p-a-1 running"]);
});

test("external networks and volumes must be there; those of others are told apart", async () => {
  const machine = new FakeMachine();
  const text = (more: string) => `services: {a: {image: i, networks: [n], volumes: ["v:/v"]}}\n${more}`;
  const external = text("networks: {n: {external: true}}\nvolumes: {v: {external: true, name: vol}}");
  await assert.rejects(up(bench(external, machine)), {
    message: "network n declared as external, but could not be found",
  });
  machine.networkRows.push({ id: "1", name: "n", labels: {} });
  await assert.rejects(up(bench(external, machine)), { message: 'external volume "vol" not found' });
  machine.volumeRows.push({ name: "vol", labels: {} });
  await up(bench(external, machine));
  machine.networkRows.push({ id: "2", name: "p_n", labels: {} });
  machine.volumeRows.push({ name: "p_v", labels: {} });
  const own = bench(text("networks: {n: {}}\nvolumes: {v: {}}"), machine);
  await assert.rejects(up(own), { code: "RESOURCE_FOREIGN" });
  assert.match(own.warnings[0]!, /^volume "p_v" already exists but was not created by/);
});

test("images are built, pulled or left by each service's policy", async () => {
  const machine = new FakeMachine();
  machine.imageDigests.set("here", "sha256:here");
  machine.remote.add("there");
  const one = bench(
    "services: {a: {image: here}, b: {image: there}, c: {image: here, pull_policy: always}, d: {image: x, pull_policy: never}, e: {build: .}, f: {build: ., image: here}, g: {build: ., image: here, pull_policy: build}}",
    machine,
  );
  const plan = (build: "always" | "missing" | "never", pull?: "always" | "never") =>
    planImages(one.work, one.work.project.services, { build, pull });
  assert.deepEqual(await plan("missing"), { build: ["e", "g"], pull: ["b", "c"] });
  assert.deepEqual(await plan("always"), { build: ["e", "f", "g"], pull: ["b", "c"] });
  assert.deepEqual(await plan("never", "never"), { build: [], pull: [] });
  await pullImages(one.work, ["b"]);
  await assert.rejects(pullImages(one.work, ["b", "d"]), { code: "IMAGE_NOT_FOUND" });
});

async function attached(text: string, options: Partial<AttachedOptions>) {
  const one = bench(text);
  const lines: string[] = [];
  const run = new AttachedRun(one.work, {
    shows: () => true,
    onLine: ({ source, text: line }) => lines.push(`${source}| ${line}`),
    onExit: (source, code) => lines.push(`${source} exited with code ${code}`),
    abortOn: "none",
    exitCodeFrom: "",
    completes: new Set(),
    ...options,
  });
  const { services } = one.work.project;
  const { members } = await createProject(one.work, services, defaults);
  await startServices(one.work, services, members, {
    onStarted: (member, sinceMs) => run.onStarted(member, sinceMs),
  });
  run.allStarted();
  const end = await run.end();
  if (end.aborted) await stopProject(one.work, []);
  await run.finish();
  return { end, lines: lines.toSorted(), statuses: one.machine.statuses() };
}

test("an attached run ends when all have, or when one that ends is to end the others", async () => {
  const whole = await attached(
    "services: {a: {image: i, command: [exit, '1', '5']}, b: {image: i, command: [exit, '0']}}",
    {},
  );
  assert.deepEqual(whole.end, { aborted: false, exitCode: 0 });
  assert.deepEqual(whole.lines, [
    "a-1 exited with code 1",
    "a-1| hello from p-a-1",
    "b-1 exited with code 0",
    "b-1| hello from p-b-1",
  ]);
  const tests = "services: {db: {image: i}, tests: {image: i, command: [exit, '7', '20']}}";
  const from = await attached(tests, { abortOn: "exit", exitCodeFrom: "tests" });
  assert.deepEqual([from.end, from.statuses], [{ aborted: true, exitCode: 7 }, ["p-db-1 exited", "p-tests-1 exited"]]);
  const migrated = await attached(
    "services: {m: {image: i, command: [exit, '0']}, tests: {image: i, command: [exit, '4', '40'], depends_on: {m: {condition: service_completed_successfully}}}}",
    { abortOn: "exit", exitCodeFrom: "tests", completes: new Set(["m"]) },
  );
  assert.deepEqual(migrated.end, { aborted: true, exitCode: 4 });
  const failing = await attached(
    "services: {ok: {image: i, command: [exit, '0']}, bad: {image: i, command: [exit, '9', '30']}, db: {image: i}}",
    { abortOn: "failure" },
  );
  assert.deepEqual(failing.end, { aborted: true, exitCode: 9 });
});

test("stop and restart follow the order; an abort starts nothing more", async () => {
  const one = bench(chain);
  await up(one);
  one.machine.clear();
  await stopProject(one.work, []);
  assert.deepEqual(one.machine.log.filter((line) => line.startsWith("stop")).slice(0, 2), [
    "stop p-web-1",
    "stop p-api-1",
  ]);
  one.machine.clear();
  await restartProject(one.work, ["db"]);
  assert.deepEqual(one.machine.log, ["restart p-db-1"]);
  const aborter = new AbortController();
  const two = bench(chain, new FakeMachine(), aborter.signal);
  aborter.abort();
  await assert.rejects(up(two));
  assert.deepEqual(two.machine.statuses(), []);
});
