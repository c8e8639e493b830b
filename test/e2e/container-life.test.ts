// Containers over time: health, restarts, pauses, whole logs, copies, what is left of one whose supervisor was killed or whose machine
// was started anew.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openContainers } from "../../src/running/containers/index.ts";
import { ContainerShell, needsRoot } from "./container-shell.ts";
import { program } from "./project.ts";

let shell: ContainerShell;

before(() => {
  if (needsRoot === false) shell = new ContainerShell();
});

after(() => {
  if (needsRoot === false) shell[Symbol.dispose]();
});

/** Starts one in the background, without a network. */
function begin(name: string, flags: readonly string[], script: string): string {
  return shell.good("run", "-d", "--network", "none", "--name", name, ...flags, "box", "sh", "-c", script).trim();
}

async function until(what: () => string, wanted: string | RegExp): Promise<void> {
  let found = "";
  for (let attempt = 0; attempt < 100; attempt++) {
    found = what();
    if (typeof wanted === "string" ? found === wanted : wanted.test(found)) return;
    await sleep(100);
  }
  assert.fail(`waited for ${wanted}, there is ${JSON.stringify(found)}`);
}

const look = (name: string, template: string) => shell.good("inspect", "-f", template, name).trim();

test("health: starting, unhealthy, healthy, with the last outputs", { skip: needsRoot }, async () => {
  begin(
    "patient",
    ["--health-cmd", "echo looked; test -f /ok", "--health-interval", "200ms", "--health-retries", "2"],
    "sleep 1000",
  );
  const health = () => look("patient", "{{.State.Health.Status}} {{gt .State.Health.FailingStreak 1}}");
  await until(health, "unhealthy true");
  shell.good("exec", "patient", "touch", "/ok");
  await until(health, "healthy false");
  const { Log: log } = JSON.parse(look("patient", "{{json .State.Health}}")) as {
    Log: { ExitCode: number; Output: string }[];
  };
  assert.ok(log.length <= 5);
  assert.deepEqual(log.at(-1)!.Output, "looked\n");
  assert.match(shell.good("ps", "--filter", "health=healthy"), /\(healthy\)/);
  const events = shell.good(
    "events",
    "--since",
    "1h",
    "--until",
    "0s",
    "--filter",
    "container=patient",
    "--format",
    "{{.Action}}",
  );
  assert.match(events, /^create\nstart\n(.*\n)*health_status: unhealthy\n(.*\n)*health_status: healthy\n/);
  shell.good("rm", "-f", "patient");
});

test(
  "a check that hangs is ended; NONE switches the image's off; a start period forgives",
  { skip: needsRoot },
  async () => {
    shell.build(
      "checked",
      'FROM box\nHEALTHCHECK --interval=200ms --timeout=300ms --retries=1 CMD sleep 77\nCMD ["sleep", "1000"]\n',
    );
    shell.good("run", "-d", "--network", "none", "--name", "hangs", "checked");
    await until(() => look("hangs", "{{.State.Health.Status}}"), "unhealthy");
    assert.match(look("hangs", "{{json .State.Health.Log}}"), /Health check exceeded timeout \(0\.3s\)/);
    assert.doesNotMatch(shell.good("top", "hangs").split("\n").slice(3).join("\n"), /sleep 77/);
    shell.good("rm", "-f", "hangs");
    shell.good("run", "-d", "--network", "none", "--name", "unchecked", "--no-healthcheck", "checked");
    assert.equal(look("unchecked", "{{.State.Health}}"), "<no value>");
    shell.good("rm", "-f", "unchecked");
    begin(
      "young",
      [
        "--health-cmd",
        "false",
        "--health-interval",
        "100ms",
        "--health-start-interval",
        "100ms",
        "--health-start-period",
        "1h",
        "--health-retries",
        "1",
      ],
      "sleep 1000",
    );
    await until(() => look("young", "{{len .State.Health.Log}}"), /^[2-5]$/);
    assert.equal(look("young", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}"), "starting 0");
    shell.good("rm", "-f", "young");
  },
);

test("restart policies, and stop against them", { skip: needsRoot }, async () => {
  begin("fails", ["--restart", "on-failure:2"], "echo life; exit 3");
  await until(() => look("fails", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}"), "exited 2 3");
  assert.equal(shell.good("logs", "fails"), "life\nlife\nlife\n");
  begin("again", ["--restart", "always"], "echo life; sleep 0.1");
  await until(() => shell.good("logs", "again"), /life\nlife\nlife\n/);
  shell.good("stop", "again");
  assert.equal(look("again", "{{.State.Status}}"), "exited");
  begin("well", ["--restart", "on-failure"], "exit 0");
  await until(() => look("well", "{{.State.Status}} {{.RestartCount}}"), "exited 0");
  shell.good("rm", "fails", "again", "well");
});

test("pause, unpause, restart, rename, attach", { skip: needsRoot }, async () => {
  begin("held", ["-i"], "echo up; read one; echo got $one; read two; echo got $two");
  shell.good("pause", "held");
  assert.equal(look("held", "{{.State.Status}}"), "paused");
  assert.match(shell.run(["exec", "held", "true"]).stderr, /is paused, unpause the container before exec/);
  assert.match(shell.run(["pause", "held"]).stderr, /is already paused/);
  shell.good("unpause", "held");
  const attached = shell.run(["attach", "held"], "one\ntwo\n");
  assert.match(attached.stdout, /got one\ngot two\n/);
  shell.good("start", "held");
  shell.good("restart", "-t", "0", "held");
  await until(() => shell.good("logs", "held").split("up\n").length.toString(), "4");
  shell.good("rename", "held", "renamed");
  assert.equal(look("renamed", "{{.Name}}"), "/renamed");
  assert.equal(shell.run(["inspect", "--type", "container", "held"]).code, 1);
  shell.good("rm", "-f", "renamed");
});

test(
  "a container that is to go stays over a restart; a reader that is gone ends the command alone",
  { skip: needsRoot },
  () => {
    begin("brief", ["--rm"], "while :; do sleep 0.1; done");
    shell.good("restart", "-t", "0", "brief");
    assert.equal(look("brief", "{{.State.Status}}"), "running");
    shell.good("stop", "-t", "0", "brief");
    assert.equal(shell.good("ps", "-aq", "--filter", "name=brief"), "");
    for (const words of ["run --name endless --network none box yes", "attach endless"]) {
      const line = `'${process.execPath}' '${program}' ${words} | head -n 2; echo "\${PIPESTATUS[0]}"`;
      const { stdout } = spawnSync("bash", ["-c", line], {
        encoding: "utf8",
        env: { ...process.env, SLIPWAY_ROOT: shell.project.state },
        timeout: 60_000,
      });
      assert.equal(stdout, "y\ny\n141\n", words);
    }
    shell.good("rm", "-f", "endless");
  },
);

test("logs are whole, rotated by size, and followed to the end", { skip: needsRoot }, async () => {
  const lines = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done";
  const id = begin("talks", ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"], lines);
  shell.good("wait", "talks");
  const dir = join(shell.project.state, "containers", id);
  const files = readdirSync(dir)
    .filter((name) => /^log/.test(name))
    .sort();
  assert.deepEqual(files, ["log", "log.1", "log.2"]);
  for (const name of files) assert.ok(statSync(join(dir, name)).size <= 4096);
  const kept = shell.good("logs", "talks").trimEnd().split("\n");
  assert.equal(kept.at(-1), "line 299");
  // No line is missing between the first that is kept and the last.
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, at) => `line ${300 - kept.length + at}`),
  );
  begin("slow", [], "echo first; sleep 1; printf last");
  const followed = shell.good("logs", "-f", "-t", "slow");
  assert.match(followed, /^\d{4}-\d\d-\d\dT[\d:.]+Z first\n\d{4}-\d\d-\d\dT[\d:.]+Z last$/);
  begin("odd", [], "printf '\\377\\000\"\\\\\\n'; head -c 40000 /dev/zero | tr '\\0' a");
  shell.good("wait", "odd");
  const odd = shell.good("logs", "odd");
  assert.equal(odd, `\ufffd\u0000"\\\n${"a".repeat(40_000)}`);
  shell.good("rm", "talks", "slow", "odd");
});

test("cp: files and folders, both ways, running or not", { skip: needsRoot }, () => {
  const here = (name: string) => join(shell.project.dir, name);
  begin(
    "box1",
    [],
    "mkdir -p /d/e; echo text > /d/f; chown 1000:1001 /d/f; chmod 640 /d/f; ln -s /etc/passwd /d/l; ln -s /d /way; touch /ready; sleep 1000",
  );
  for (let attempt = 0; attempt < 100 && shell.run(["exec", "box1", "test", "-f", "/ready"]).code !== 0; attempt++);
  mkdirSync(here("into"));
  shell.good("cp", "box1:/d", "into");
  assert.deepEqual(readdirSync(here("into/d")).sort(), ["e", "f", "l"]);
  assert.equal(readFileSync(here("into/d/f"), "utf8"), "text\n");
  assert.equal(statSync(here("into/d/f")).mode & 0o777, 0o640);
  shell.good("cp", "box1:/d/.", "content");
  assert.deepEqual(readdirSync(here("content")).sort(), ["e", "f", "l"]);
  shell.good("cp", "-a", "box1:/d/f", "renamed");
  assert.deepEqual([statSync(here("renamed")).uid, statSync(here("renamed")).gid], [1000, 1001]);
  shell.good("cp", "-L", "box1:/d/l", "passwd");
  assert.match(readFileSync(here("passwd"), "utf8"), /^root:/);
  writeFileSync(here("new"), "new\n");
  shell.good("cp", "new", "box1:/way/in");
  assert.equal(shell.good("exec", "box1", "cat", "/d/in"), "new\n");
  shell.good("cp", "into/d", "box1:/copy");
  assert.equal(shell.good("exec", "box1", "ls", "/copy"), "e\nf\nl\n");
  assert.match(shell.run(["cp", "box1:/absent", "."]).stderr, /Could not find the file box1:\/absent/);
  assert.match(shell.run(["cp", "into/d", "box1:/d/f"]).stderr, /cannot copy directory/);
  assert.match(shell.run(["cp", "new", "box1:/no/where"]).stderr, /no such directory/);
  // A link of the container that points at this machine's file means the container's own.
  const target = here("outside");
  writeFileSync(target, "untouched");
  shell.good("exec", "box1", "sh", "-c", `ln -s ${target} /escape; ln -s / /root-link`);
  shell.run(["cp", "new", "box1:/escape"]);
  shell.run(["cp", "new", `box1:/root-link${shell.project.dir}/x`]);
  assert.equal(readFileSync(target, "utf8"), "untouched");
  symlinkSync("/etc", here("link"));
  shell.good("cp", "link", "box1:/link-as-link");
  assert.equal(shell.good("exec", "box1", "readlink", "/link-as-link"), "/etc\n");
  shell.good("stop", "-t", "0", "box1");
  shell.good("cp", "box1:/d/in", "again");
  assert.equal(readFileSync(here("again"), "utf8"), "new\n");
  shell.good("cp", "new", "box1:/while-stopped");
  shell.good("start", "box1");
  assert.equal(shell.good("exec", "box1", "cat", "/while-stopped"), "new\n");
  shell.good("rm", "-f", "box1");
});

test("a killed supervisor: everything died with it, and that is seen", { skip: needsRoot }, async () => {
  const id = begin("victim", [], "sleep 1000");
  const state = () =>
    JSON.parse(readFileSync(join(shell.project.state, "containers", id, "state"), "utf8")) as {
      pid: number;
      supervisorPid: number;
    };
  const { pid, supervisorPid } = state();
  process.kill(supervisorPid, "SIGKILL");
  await until(() => look("victim", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
  assert.throws(() => process.kill(pid, 0));
  shell.good("start", "victim");
  assert.equal(look("victim", "{{.State.Status}}"), "running");
  shell.good("rm", "-f", "victim");
});

test("after a reboot containers have ended, and those that were to go are gone", { skip: needsRoot }, async () => {
  // What a reboot leaves: files that say `running`, of a supervisor that nobody holds the lock for.
  const kept = begin("kept", [], "sleep 1000");
  const going = begin("going", ["--rm"], "sleep 1000");
  for (const id of [kept, going]) {
    const path = join(shell.project.state, "containers", id, "state");
    const { supervisorPid } = JSON.parse(readFileSync(path, "utf8")) as { supervisorPid: number };
    process.kill(supervisorPid, "SIGKILL");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
  }
  await sleep(300);
  await using containers = await openContainers({ root: shell.project.state });
  const all = await containers.list({ all: true });
  assert.deepEqual(
    all.map(({ name, state }) => [name, state.status, state.exitCode]),
    [["kept", "exited", 137]],
  );
  await containers.remove("kept");
});
