// What the flags of `slipway run` do, seen from inside of the container.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ContainerShell, needsRoot } from "./container-shell.ts";
import { program } from "./project.ts";

let shell: ContainerShell;

before(() => {
  if (needsRoot === false) shell = new ContainerShell();
});

after(() => {
  if (needsRoot === false) shell[Symbol.dispose]();
});

/** What a script prints in a container with these flags. */
function inside(flags: readonly string[], script: string): string {
  const { code, stdout, stderr } = shell.box(...flags, "box", "sh", "-c", script);
  assert.equal(code, 0, `${flags.join(" ")}: ${stderr}`);
  return stdout;
}

const CAP_NET_ADMIN = 1n << 12n;

test("capabilities, seccomp and privileges are docker's", { skip: needsRoot }, () => {
  const status = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t '";
  const lines = (flags: readonly string[]) =>
    new Map(
      inside(flags, status)
        .trimEnd()
        .split("\n")
        .map((line) => line.split(":") as [string, string]),
    );
  const usual = lines([]);
  // Docker's fourteen.
  assert.equal(usual.get("CapEff"), "00000000a80425fb");
  assert.deepEqual([usual.get("NoNewPrivs"), usual.get("Seccomp")], ["0", "2"]);
  assert.equal(lines(["--cap-drop", "all"]).get("CapBnd"), "0000000000000000");
  const more = lines(["--cap-add", "net_admin", "--cap-drop", "MKNOD"]);
  assert.ok((BigInt(`0x${more.get("CapEff")}`) & CAP_NET_ADMIN) !== 0n);
  const open = lines(["--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"]);
  assert.deepEqual([open.get("NoNewPrivs"), open.get("Seccomp")], ["1", "0"]);
  assert.equal(lines(["--privileged"]).get("Seccomp"), "0");
  // Another user than root has none, but may gain them.
  const user = lines(["-u", "app"]);
  assert.deepEqual([user.get("CapEff"), user.get("CapBnd")], ["0000000000000000", "00000000a80425fb"]);
  assert.equal(shell.box("box", "mount", "-t", "tmpfs", "x", "/tmp").code, 1);
  assert.equal(shell.box("--privileged", "box", "mount", "-t", "tmpfs", "x", "/tmp").code, 0);
  assert.equal(shell.box("box", "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq").code, 1);
  assert.equal(inside([], "cat /proc/kcore | wc -c"), "0\n");
  assert.match(shell.box("--cap-add", "NONSENSE", "box").stderr, /invalid capability: "NONSENSE"/);
});

test("a seccomp profile of one's own, in docker's form", { skip: needsRoot }, () => {
  const rules = [
    { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
    { names: ["rmdir"], action: "SCMP_ACT_ERRNO", errnoRet: 1, includes: { caps: ["CAP_SYS_ADMIN"] } },
  ];
  writeFileSync(
    join(shell.project.dir, "profile.json"),
    JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: rules }),
  );
  assert.match(
    shell.box("--security-opt", "seccomp=profile.json", "box", "mkdir", "/x").stderr,
    /Operation not permitted/,
  );
  const absent = shell.box("--security-opt", "seccomp=absent.json", "box");
  assert.deepEqual([absent.code, /opening seccomp profile \(absent\.json\) failed/.test(absent.stderr)], [125, true]);
});

test("limits: memory, processors, processes, files", { skip: needsRoot }, () => {
  const read = (names: readonly string[]) => names.map((name) => `cat ${name} 2>/dev/null`).join(" || ");
  const groups = "/sys/fs/cgroup";
  const script = [
    read([`${groups}/memory.max`, `${groups}/memory/memory.limit_in_bytes`]),
    read([`${groups}/cpu.max`, `${groups}/cpu/cpu.cfs_quota_us`]),
    read([`${groups}/pids.max`, `${groups}/pids/pids.max`]),
    "ulimit -n; ulimit -Hn",
  ].join("; ");
  const flags = ["-m", "32m", "--cpus", "0.5", "--pids-limit", "20", "--ulimit", "nofile=100:200"];
  assert.match(inside(flags, script), /^33554432\n50000( 100000)?\n20\n100\n200\n$/);
  assert.equal(shell.box("-m", "8m", "box", "sh", "-c", "x=aaaaaaaa; while :; do x=$x$x; done").code, 137);
  assert.match(shell.box("-m", "1m", "box").stderr, /Minimum memory limit allowed is 6MB/);
});

test("the root, mounts and devices", { skip: needsRoot }, () => {
  assert.match(shell.box("--read-only", "box", "touch", "/x").stderr, /Read-only file system/);
  assert.equal(
    inside(
      ["--read-only", "--tmpfs", "/tmp:size=1m,mode=700"],
      "touch /tmp/x; df -k /tmp | tail -1 | awk '{print $2}'",
    ),
    "1024\n",
  );
  assert.equal(inside(["--shm-size", "1m"], "df -k /dev/shm | tail -1 | awk '{print $2}'"), "1024\n");
  assert.equal(inside(["--device", "/dev/null:/dev/other:r"], "ls -l /dev/other | cut -c1"), "c\n");
  assert.match(
    shell.box("--device", "/dev/absent", "box").stderr,
    /error gathering device information .*"\/dev\/absent"/,
  );
  const shared = join(shell.project.dir, "shared");
  mkdirSync(shared);
  writeFileSync(join(shared, "here"), "text");
  assert.equal(inside(["-v", `${shared}:/in:ro`], "cat /in/here; touch /in/x 2>/dev/null || echo no"), "textno\n");
  assert.equal(inside(["--mount", "type=bind,src=./shared,dst=/in"], "touch /in/made; ls /in"), "here\nmade\n");
  assert.match(
    shell.box("--mount", "type=bind,src=/absent,dst=/in", "box").stderr,
    /bind source path does not exist: \/absent/,
  );
});

test("namespaces: init, pid, uts, ipc; groups, sysctls, env files, labels, cidfile", { skip: needsRoot }, () => {
  assert.match(inside(["--init"], "cat /proc/1/cmdline | tr '\\0' ' '"), /^\/sbin\/docker-init -- sh /);
  assert.ok(Number(inside(["--pid", "host"], "ls -d /proc/[0-9]* | wc -l")) > 10);
  assert.equal(inside([], "ls -d /proc/[0-9]* | wc -l").trim().length, 1);
  assert.equal(inside(["--uts", "host"], "hostname"), readFileSync("/proc/sys/kernel/hostname", "utf8"));
  assert.equal(
    inside(["-u", "5", "--group-add", "77", "--group-add", "staff"], "id"),
    "uid=5 gid=0 groups=0,50(staff),77\n",
  );
  assert.equal(inside(["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"), "1\n");
  writeFileSync(join(shell.project.dir, "env"), "# a comment\nA=1\nB=two words\nHOME_ONLY\n");
  assert.equal(inside(["--env-file", "env", "-e", "A=2"], 'echo "$A $B"'), "2 two words\n");
  shell.good(
    "run",
    "--name",
    "other",
    "-d",
    "--network",
    "none",
    "--ipc",
    "shareable",
    "box",
    "sh",
    "-c",
    "sleep 1000",
  );
  assert.equal(inside(["--pid", "container:other"], "ps | grep -c 'sleep 1000'").trim() === "0", false);
  const namespace = shell.good("exec", "other", "readlink", "/proc/self/ns/ipc");
  const joined = shell.box("--ipc", "container:other", "box", "readlink", "/proc/self/ns/ipc");
  assert.equal(joined.stdout, namespace);
  assert.match(joined.stderr, /^WARNING: \/dev\/shm of the other container is not shared yet/);
  shell.good("rm", "-f", "other");
  shell.good("run", "--rm", "--network", "none", "--cidfile", "cid", "box");
  assert.match(readFileSync(join(shell.project.dir, "cid"), "utf8"), /^[0-9a-f]{64}$/);
  assert.match(shell.box("--cidfile", "cid", "box").stderr, /container ID file found/);
  assert.match(shell.box("--restart", "always", "box").stderr, /Conflicting options: --restart and --rm/);
});

/** Runs in a terminal of its own; what is typed comes once the prompt is there. */
function inTerminal(argv: readonly string[], typed: string): { code: number | null; output: string } {
  const words = [process.execPath, program, ...argv].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const { status, stdout } = spawnSync("script", ["-qefc", words, "/dev/null"], {
    input: typed,
    encoding: "utf8",
    env: { ...process.env, SLIPWAY_ROOT: shell.project.state },
    timeout: 60_000,
  });
  return { code: status, output: stdout };
}

test("a terminal", { skip: needsRoot }, () => {
  const run = inTerminal(
    ["run", "--rm", "-it", "--network", "none", "box", "sh", "-c", "tty; read line; echo got $line; exit 9"],
    "typed\n",
  );
  assert.match(run.output, /\/dev\/pts\/0/);
  assert.match(run.output, /got typed/);
  assert.equal(run.code, 9);
  // Nobody's terminal: an error, as docker has it.
  const none = shell.run(["run", "--rm", "-it", "--network", "none", "box"], "");
  assert.deepEqual([none.code, none.stderr], [125, "ERROR: the input device is not a TTY\n"]);
  shell.good("run", "-dt", "--name", "term", "--network", "none", "box", "sh", "-c", "while :; do sleep 0.1; done");
  const exec = inTerminal(["exec", "-it", "term", "sh", "-c", "tty; exit 4"], "");
  assert.match(exec.output, /\/dev\/pts\/1/);
  assert.equal(exec.code, 4);
  shell.good("rm", "-f", "term");
});

test("built and run in one step; an OCI layout", { skip: needsRoot }, () => {
  const context = shell.project.context('FROM box\nCMD ["echo", "fresh"]\n');
  const run = shell.run(["run", "-q", "--rm", "--network", "none", "--build", context]);
  assert.deepEqual([run.code, run.stdout], [0, "fresh\n"], run.stderr);
  // The name was for that alone.
  assert.ok(!shell.good("images").includes("slipway-run"));
  assert.equal(
    shell.run(["run", "-q", "--rm", "--network", "none", "--tag", "kept", "--build", context, "echo", "other"]).stdout,
    "other\n",
  );
  assert.ok(shell.good("images").includes("kept:latest"));
  const broken = shell.project.context("FROM box\nRUN false\n");
  assert.equal(shell.run(["run", "--rm", "--build", broken]).code, 125);
  shell.good("build", "-q", "-o", "type=oci,dest=layout,tar=false", context);
  assert.equal(shell.box("oci-layout://layout").stdout, "fresh\n");
  assert.equal(shell.box("./layout").stdout, "fresh\n");
});

test("hostile images: links where folders are expected lead nowhere outside", { skip: needsRoot }, () => {
  const target = join(shell.project.dir, "must-stay-absent");
  const up = "../".repeat(20);
  shell.build(
    "hostile",
    `FROM box
RUN ln -s ${up}${target.slice(1)} /data && ln -s ${up}etc /work && rm /etc/passwd && ln -s ${up}${shell.project.dir.slice(1)}/passwd /etc/passwd
VOLUME /data
WORKDIR /work/${"../".repeat(5)}deep
USER outside
`,
  );
  writeFileSync(join(shell.project.dir, "passwd"), "outside:x:77:77::/:/bin/sh\n");
  const run = shell.box("hostile", "true");
  assert.equal(run.code, 125);
  assert.match(run.stderr, /unable to find user outside/);
  const asRoot = shell.box("-u", "0", "hostile", "sh", "-c", "pwd; touch /data/x");
  assert.equal(asRoot.code, 0, asRoot.stderr);
  assert.ok(!existsSync(target));
  assert.ok(!existsSync("/deep"));
});
