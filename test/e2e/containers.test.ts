// `slipway run` and the other verbs of containers, as processes: what is built is run, with docker's words and exit codes.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { ContainerShell, needsRoot } from "./container-shell.ts";
import type { Ended } from "./container-shell.ts";
import { program } from "./project.ts";

let shell: ContainerShell;

before(() => {
  if (needsRoot === false) shell = new ContainerShell();
});

after(() => {
  if (needsRoot === false) shell[Symbol.dispose]();
});

function slipway(...argv: string[]): Ended {
  return shell.run(argv);
}

function withInput(input: string, ...argv: string[]): Ended {
  return shell.run(argv, input);
}

/** `run --rm --network none box …`. */
function box(...argv: string[]): Ended {
  return slipway("run", "--rm", "--network", "none", ...argv);
}

test("runs the image's command, another one, and ends with its exit code", { skip: needsRoot }, () => {
  assert.deepEqual(box("box"), { code: 0, stdout: "usual\n", stderr: "" });
  assert.deepEqual(box("box", "sh", "-c", "echo out; echo err >&2; exit 7"), {
    code: 7,
    stdout: "out\n",
    stderr: "err\n",
  });
  assert.equal(box("--init", "box", "sh", "-c", "kill -9 $$").code, 137);
  assert.equal(box("--entrypoint", "echo", "box", "--", "a b").stdout, "-- a b\n");
});

test("what can't be run ends with 125, 126 or 127 and a reason", { skip: needsRoot }, () => {
  const missing = box("box", "nope");
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /exec: "nope": executable file not found in \$PATH/);
  assert.equal(box("box", "/etc/passwd").code, 126);
  const unknown = box("--pull", "never", "absent");
  assert.equal(unknown.code, 125);
  assert.match(unknown.stderr, /No such image: absent:latest/);
  assert.equal(box("--user", "nobody-here", "box").code, 125);
  assert.match(box("--user", "nobody-here", "box").stderr, /unable to find user nobody-here/);
  assert.equal(slipway("run", "--no-such-flag").code, 125);
  const relative = box("-w", "here", "box");
  assert.deepEqual(
    [relative.code, relative.stderr],
    [125, "ERROR: the working directory 'here' is invalid, it needs to be an absolute path\n"],
  );
  // Nothing of them is left.
  assert.equal(slipway("ps", "-aq").stdout, "");
});

test("environment, user, folder, host name, input", { skip: needsRoot }, () => {
  assert.equal(box("-e", "A=1", "-e", "GREETING=bye", "box", "sh", "-c", "echo $A $GREETING").stdout, "1 bye\n");
  assert.equal(box("-u", "app", "box", "id").stdout, "uid=1000(app) gid=1001 groups=50(staff),1001\n");
  assert.equal(box("-w", "/a/b", "-h", "there", "box", "sh", "-c", "pwd; hostname").stdout, "/a/b\nthere\n");
  assert.equal(withInput("some\nlines\n", "run", "--rm", "-i", "--network", "none", "box", "wc", "-l").stdout, "2\n");
});

test("in the background: ps, logs, exec, kill, wait, inspect, rm", { skip: needsRoot }, () => {
  const script = "echo begun; trap 'echo told; exit 5' USR1; while :; do sleep 0.05; done";
  const begun = slipway("run", "-d", "--name", "one", "-l", "a=b", "--network", "none", "box", "sh", "-c", script);
  assert.match(begun.stdout, /^[0-9a-f]{64}\n$/);
  const id = begun.stdout.trim();
  assert.equal(slipway("ps", "-q", "--no-trunc").stdout, begun.stdout);
  assert.equal(
    slipway("ps", "--filter", "label=a=b", "--format", "{{.Names}} {{.Image}} {{.State}}").stdout,
    "one box:latest running\n",
  );
  assert.equal(slipway("exec", "one", "sh", "-c", "echo $GREETING; exit 4").code, 4);
  assert.equal(slipway("exec", "-e", "X=y", "-w", "/tmp", "one", "sh", "-c", "echo $X; pwd").stdout, "y\n/tmp\n");
  assert.equal(withInput("typed", "exec", "-i", "one", "cat").stdout, "typed");
  assert.equal(slipway("exec", "one", "nope").code, 127);
  const taken = slipway("run", "--name", "one", "--network", "none", "box");
  assert.equal(taken.code, 125);
  assert.match(taken.stderr, /The container name "\/one" is already in use by container "[0-9a-f]{64}"/);
  const refused = slipway("rm", "one");
  assert.deepEqual([refused.code, refused.stderr.includes("You cannot remove a running container")], [1, true]);
  assert.equal(slipway("kill", "-s", "USR1", "one").code, 0);
  assert.equal(slipway("wait", "one").stdout, "5\n");
  assert.equal(slipway("logs", "one").stdout, "begun\ntold\n");
  assert.equal(slipway("logs", "--tail", "1", "one").stdout, "told\n");
  assert.equal(
    slipway("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.Config.Labels.kind}} {{.Id}}", "one").stdout,
    `exited 5 test ${id}\n`,
  );
  assert.equal(slipway("start", "one").stdout, "one\n");
  assert.equal(slipway("rm", "-f", "one").stdout, "one\n");
  assert.deepEqual(slipway("rm", "one"), { code: 1, stdout: "", stderr: "ERROR: No such container: one\n" });
});

test("stop: the signal first, SIGKILL after the time", { skip: needsRoot }, () => {
  const polite = "trap 'exit 3' TERM; while :; do sleep 0.05; done";
  slipway("run", "-d", "--name", "polite", "--network", "none", "box", "sh", "-c", polite);
  slipway(
    "run",
    "-d",
    "--name",
    "deaf",
    "--network",
    "none",
    "box",
    "sh",
    "-c",
    "trap '' TERM; while :; do sleep 0.05; done",
  );
  assert.equal(slipway("stop", "-t", "1", "polite", "deaf").stdout, "polite\ndeaf\n");
  assert.equal(slipway("inspect", "-f", "{{.State.ExitCode}}", "polite", "deaf").stdout, "3\n137\n");
  slipway("rm", "polite", "deaf");
});

test("changes stay in a container over its lives, and in none other", { skip: needsRoot }, () => {
  slipway(
    "run",
    "--name",
    "keeps",
    "--network",
    "none",
    "box",
    "sh",
    "-c",
    "cat /kept 2>/dev/null; echo line >> /kept",
  );
  assert.equal(slipway("start", "-a", "keeps").stdout, "line\n");
  assert.equal(slipway("start", "-a", "keeps").stdout, "line\nline\n");
  assert.equal(box("box", "ls", "/kept").code, 1);
  slipway("rm", "keeps");
});

test("much output arrives whole, at a slow reader too", { skip: needsRoot }, async () => {
  const child = spawn(
    process.execPath,
    [
      program,
      "run",
      "--rm",
      "--network",
      "none",
      "box",
      "sh",
      "-c",
      "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789; i=$((i+1)); done; head -c 3000000 /dev/zero",
    ],
    { env: { ...process.env, SLIPWAY_ROOT: shell.project.state }, stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = text(child.stderr);
  let bytes = 0;
  for await (const chunk of child.stdout) {
    bytes += (chunk as Buffer).length;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.equal(await said, "");
  assert.equal(bytes, 3000 * 101 + 3_000_000);
});

test("nothing is left of containers that were to go", { skip: needsRoot }, () => {
  const folder = join(shell.project.state, "containers");
  const left = readdirSync(folder).filter((name) => name !== "events" && name !== "names");
  assert.deepEqual(left, []);
  assert.deepEqual(readdirSync(join(folder, "names")), []);
  assert.ok(!readFileSync("/proc/mounts", "utf8").includes(shell.project.state));
});
