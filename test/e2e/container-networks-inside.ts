// Real containers on real networks with real volumes, by the commands alone. Started by container-networks.test.ts in a network and mount namespace of
// its own, whose "outside" is one more namespace.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertNothingLeft, networkLeftovers } from "../integration/network-leftovers.ts";
import { Project, program } from "./project.ts";

const HOST = "192.0.2.1";
const OUTSIDE = "192.0.2.2";
let project: Project;
let outside: ChildProcess;

before(async () => {
  outside = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(outside.stdout!, "data");
  for (const line of [
    "link set lo up",
    `link add out0 type veth peer name in0 netns ${outside.pid}`,
    `address add ${HOST}/24 dev out0`,
    "link set out0 up",
  ])
    execFileSync("ip", line.split(" "));
  fromOutside("ip", "address", "add", `${OUTSIDE}/24`, "dev", "in0");
  fromOutside("ip", "link", "set", "in0", "up");
  project = new Project();
  const context = project.context(`FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /tmp /etc /data/deep && /bin/busybox --install -s /bin && echo root:x:0:0::/root:/bin/sh > /etc/passwd && echo served > /data/index.html && echo deep > /data/deep/file && chown -R 70:71 /data && chmod 750 /data"]
VOLUME /anonymous
EXPOSE 80 81/udp
`);
  const { code, output } = project.slipway(["build", "-q", "-t", "box", context]);
  assert.equal(code, 0, output);
});

afterEach(async () => {
  const names = words("ps", "-aq");
  if (names.length > 0) slipway("rm", "-fv", ...names);
  slipway("network", "prune", "-f");
  slipway("volume", "prune", "-af");
  await assertNothingLeft(leftovers, "bridges, wires, rules and volumes left behind");
});

after(() => {
  outside.kill("SIGKILL");
  project[Symbol.dispose]();
});

function slipway(...argv: string[]): { code: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, SLIPWAY_ROOT: project.state };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    encoding: "utf8",
    cwd: project.dir,
    env,
    timeout: 60_000,
  });
  return { code: status, stdout, stderr };
}

/** Output of a command that works, without its last newline. */
function out(...argv: string[]): string {
  const { code, stdout, stderr } = slipway(...argv);
  assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout.trimEnd();
}

function words(...argv: string[]): string[] {
  return out(...argv)
    .split("\n")
    .filter((line) => line !== "");
}

function fails(code: number, message: RegExp, ...argv: string[]): void {
  const ended = slipway(...argv);
  assert.equal(ended.code, code, ended.stderr);
  assert.match(ended.stderr, message);
}

function fromOutside(...argv: string[]): string {
  return execFileSync("nsenter", [`--net=/proc/${outside.pid}/ns/net`, ...argv], {
    encoding: "utf8",
    timeout: 20_000,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function leftovers(): string[] {
  const files = (["volumes", "networks/live", "networks/attached", "networks/scripts"] as const).flatMap((dir) => {
    try {
      return readdirSync(join(project.state, dir)).map((name) => `${dir}/${name}`);
    } catch {
      return [];
    }
  });
  return [...networkLeftovers(), ...files];
}

const withoutVolumes = () => leftovers().filter((each) => !each.startsWith("volumes/"));

const web = (...flags: string[]) =>
  out("run", "-d", "--name", "web", ...flags, "box", "httpd", "-f", "-p", "80", "-h", "/data");

test("a service is found by name and alias, and its published ports answer", () => {
  out("network", "create", "shop");
  web("--network", "shop", "--network-alias", "www", "-p", "8080:80", "-p", "127.0.0.1:8081:80");
  for (const name of ["web", "www", "web.shop"])
    assert.equal(out("run", "--rm", "--network", "shop", "box", "wget", "-qO-", `http://${name}/`), "served", name);
  for (const url of [
    "http://127.0.0.1:8080/",
    `http://${HOST}:8080/`,
    "http://[::1]:8080/",
    "http://127.0.0.1:8081/",
  ]) {
    assert.equal(execFileSync("busybox", ["wget", "-qO-", url], { encoding: "utf8" }).trim(), "served", url);
  }
  assert.equal(fromOutside("busybox", "wget", "-qO-", `http://${HOST}:8080/`).trim(), "served");
  assert.throws(() => fromOutside("busybox", "wget", "-T1", "-qO-", `http://${HOST}:8081/`));
  assert.match(out("ps", "--format", "{{.Ports}}"), /0\.0\.0\.0:8080->80\/tcp/);
  out("run", "--rm", "--network", "shop", "box", "ping", "-c1", "-W2", OUTSIDE);
  fails(1, /error while removing network: network shop id [0-9a-f]{64} has active endpoints/, "network", "rm", "shop");
});

test("hosts, resolv.conf and the options for them", () => {
  const hosts = out(
    "run",
    "--rm",
    "--hostname",
    "me",
    "--add-host",
    "db:10.0.0.9",
    "--add-host",
    "host.docker.internal:host-gateway",
    "box",
    "cat",
    "/etc/hosts",
  );
  assert.match(hosts, /^10\.0\.0\.9\tdb\n172\.17\.0\.1\thost\.docker\.internal\n172\.17\.0\.\d+\tme$/m);
  const resolv = out(
    "run",
    "--rm",
    "--dns",
    "9.9.9.9",
    "--dns-search",
    "corp.example",
    "--dns-option",
    "ndots:2",
    "box",
    "cat",
    "/etc/resolv.conf",
  );
  assert.equal(resolv, "nameserver 127.0.0.11\nsearch corp.example\noptions ndots:2");
});

test("host, none, and another container's network", () => {
  web("-p", "8080:80");
  assert.equal(out("run", "--rm", "--network", "host", "box", "wget", "-qO-", "http://127.0.0.1:8080/"), "served");
  assert.equal(out("run", "--rm", "--network", "container:web", "box", "wget", "-qO-", "http://127.0.0.1/"), "served");
  const none = words("run", "--rm", "--network", "none", "box", "ls", "/sys/class/net");
  assert.deepEqual(none, ["lo"]);
  fails(125, /network nowhere not found/, "run", "--rm", "--network", "nowhere", "box", "true");
  fails(
    125,
    /conflicting options: port publishing and the container type network mode/,
    "run",
    "--rm",
    "-p",
    "80",
    "--network",
    "container:web",
    "box",
    "true",
  );
});

test("verbs of networks and volumes, with docker's output and words", () => {
  const id = out(
    "network",
    "create",
    "--label",
    "a=b",
    "--subnet",
    "10.90.0.0/24",
    "--ip-range",
    "10.90.0.64/26",
    "shop",
  );
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.deepEqual(words("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"), [
    "bridge bridge local",
    "host host local",
    "none null local",
    "shop bridge local",
  ]);
  assert.equal(out("network", "ls", "-q", "--filter", "label=a=b"), id.slice(0, 12));
  assert.equal(out("network", "ls", "-q", "--filter", "type=custom", "--no-trunc"), id);
  const config = "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{.IPRange}}{{end}}";
  assert.equal(out("network", "inspect", "-f", config, "shop"), "10.90.0.0/24 10.90.0.1 10.90.0.64/26");
  assert.equal(out("run", "--rm", "--network", "shop", "box", "hostname", "-i"), "10.90.0.64");
  fails(1, /network with name shop already exists/, "network", "create", "shop");
  fails(1, /operation is not permitted on predefined host network/, "network", "create", "host");
  fails(
    1,
    /Pool overlaps with other one on this address space/,
    "network",
    "create",
    "--subnet",
    "10.90.0.128/25",
    "other",
  );
  fails(1, /bridge is a pre-defined network and cannot be removed/, "network", "rm", "bridge");
  fails(1, /network nowhere not found/, "network", "inspect", "nowhere");
  assert.equal(out("network", "prune", "-f", "--filter", "label!=a"), "");
  assert.equal(out("network", "prune", "-f"), "Deleted Networks:\nshop");
  assert.equal(out("volume", "create", "--label", "x=y", "db"), "db");
  assert.equal(out("volume", "create", "db"), "db");
  assert.equal(out("volume", "ls"), "DRIVER    VOLUME NAME\nlocal     db");
  assert.equal(
    out("volume", "inspect", "-f", "{{.Name}} {{.Mountpoint}} {{.Labels.x}}", "db"),
    `db ${project.state}/volumes/db/_data y`,
  );
  fails(1, /get nothing: no such volume/, "volume", "rm", "nothing");
  assert.equal(out("volume", "prune", "-f"), "Total reclaimed space: 0B", "named ones stay");
  assert.match(out("volume", "prune", "-af"), /^Deleted Volumes:\ndb\n\nTotal reclaimed space: \d+B$/);
});

test("network connect and disconnect, of containers that run and that do not", async () => {
  out("network", "create", "shop");
  web();
  out("run", "-d", "--name", "user", "--network", "shop", "box", "sleep", "600");
  assert.notEqual(slipway("exec", "user", "wget", "-T2", "-qO-", "http://www/").code, 0);
  out("network", "connect", "--alias", "www", "shop", "web");
  assert.equal(out("exec", "user", "wget", "-qO-", "http://www/"), "served");
  assert.equal(
    out("inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}", "web").trim(),
    "bridge shop",
  );
  fails(1, /endpoint with name web already exists in network shop/, "network", "connect", "shop", "web");
  out("restart", "-t", "0", "web");
  assert.equal(out("exec", "user", "wget", "-qO-", "http://www/"), "served", "the next start knows it too");
  out("network", "disconnect", "shop", "web");
  fails(1, /container [0-9a-f]{64} is not connected to network shop/, "network", "disconnect", "shop", "web");
  const devices = (): string[] =>
    (JSON.parse(execFileSync("ip", ["-j", "link"], { encoding: "utf8" })) as { ifname: string }[])
      .map(({ ifname }) => ifname)
      .filter((name) => name.startsWith("swv-"));
  const before = devices();
  out("stop", "-t", "0", "web");
  // The kernel may still be at the devices of the life before.
  const gone = () => before.filter((name) => !devices().includes(name));
  for (let left = 200; left > 0 && gone().length === 0; left--) await sleep(50);
  assert.equal(gone().length, 1);
  execFileSync("ip", ["link", "add", gone()[0]!, "type", "veth", "peer", "name", "left-over"]);
  out("start", "web");
  assert.equal(out("exec", "user", "true"), "");
  assert.ok(!execFileSync("ip", ["link"], { encoding: "utf8" }).includes("left-over"));
  out("stop", "-t", "0", "web");
  out("network", "connect", "shop", "web");
  out("network", "disconnect", "bridge", "web");
  out("start", "web");
  assert.equal(out("exec", "user", "wget", "-qO-", "http://web/"), "served");
  assert.equal(out("exec", "web", "ls", "/sys/class/net").split(/\s+/).length, 2, "lo and eth0");
  out("run", "-d", "--name", "alone", "--network", "none", "box", "sleep", "600");
  fails(
    1,
    /container cannot be connected to multiple networks with one of the networks in private \(none\) mode/,
    "network",
    "connect",
    "shop",
    "alone",
  );
  out("rename", "web", "renamed");
  assert.equal(out("exec", "user", "wget", "-qO-", "http://renamed/"), "served");
});

test("a port in use names who has it; -P publishes what the image exposes", () => {
  web("-p", "8080:80");
  fails(
    125,
    /Bind for 0\.0\.0\.0:8080 failed: port is already allocated\nhint: container web has it/,
    "run",
    "--rm",
    "-p",
    "8080:80",
    "box",
    "true",
  );
  out("stop", "-t", "0", "web");
  out("run", "--rm", "-p", "8080:80", "box", "true");
  out("start", "web");
  fails(125, /invalid hostPort: x/, "run", "--rm", "-p", "x:80", "box", "true");
  const id = out("run", "-dP", "box", "sleep", "60");
  const ports = JSON.parse(out("inspect", "-f", "{{json .NetworkSettings.Ports}}", id)) as Record<string, unknown[]>;
  assert.deepEqual(Object.keys(ports).toSorted(), ["80/tcp", "81/udp"]);
});

test("kill -9 of a supervisor: the next command clears everything away", async () => {
  out("network", "create", "shop");
  const id = web("--network", "shop", "-p", "8080:80");
  const pid = supervisors().find((each) => each.line.includes(id))!.pid;
  process.kill(pid, "SIGKILL");
  assert.match(out("ps", "-a", "--format", "{{.Status}}"), /Exited \(137\)/);
  await assertNothingLeft(withoutVolumes, "of a supervisor that was killed");
  out("start", "web");
  assert.equal(fromOutside("busybox", "wget", "-qO-", `http://${HOST}:8080/`).trim(), "served");
});

test("commands and supervisors killed at random instants leave nothing once the next command has looked", async () => {
  out("network", "create", "shop");
  const rounds = Number(process.env["SLIPWAY_FAULT_ROUNDS"] ?? 10);
  let seed = 11;
  const random = (below: number) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % below;
  for (let round = 0; round < rounds; round++) {
    const argv = [
      program,
      "run",
      "-d",
      "--rm",
      "--name",
      "victim",
      "--network",
      "shop",
      "-p",
      "8080:80",
      "box",
      "sleep",
      "600",
    ];
    const child = spawn(process.execPath, argv, {
      cwd: project.dir,
      env: { ...process.env, SLIPWAY_ROOT: project.state },
      stdio: "ignore",
    });
    await sleep(random(700));
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    for (const { pid } of supervisors()) if (random(2) === 0) process.kill(pid, "SIGKILL");
    slipway("rm", "-f", "victim");
    for (let left = 50; supervisors().length > 0; left--) {
      assert.ok(left > 0, "a supervisor that nobody can stop");
      await sleep(100);
      slipway("rm", "-f", ...words("ps", "-aq"));
    }
    slipway("ps");
    await assertNothingLeft(withoutVolumes, `round ${round}`);
  }
});

test("volumes: first content, sharing, read-only, in use, anonymous ones go with their container", () => {
  const listed = out("run", "--rm", "-v", "files:/data", "box", "ls", "-lnd", "/data", "/data/deep/file");
  assert.match(listed, /^drwxr-x--- .* 70 +71 .* \/data\n-rw-r--r-- .* 70 +71 .* \/data\/deep\/file$/);
  out("run", "--rm", "-v", "files:/data", "box", "sh", "-c", "echo more > /data/more; rm /data/index.html");
  assert.deepEqual(words("run", "--rm", "-v", "files:/data:ro", "box", "ls", "/data"), ["deep", "more"]);
  fails(1, /Read-only file system/, "run", "--rm", "-v", "files:/data:ro", "box", "touch", "/data/x");
  assert.equal(out("run", "--rm", "-v", "empty:/data:nocopy", "box", "ls", "/data"), "");
  assert.equal(
    out("run", "--rm", "--mount", "type=volume,src=files,dst=/x,volume-subpath=deep", "box", "cat", "/x/file"),
    "deep",
  );
  const id = out("run", "-d", "-v", "files:/data", "box", "sleep", "60");
  fails(1, new RegExp(`remove files: volume is in use - \\[${id}\\]`), "volume", "rm", "files");
  assert.equal(words("volume", "ls", "-q").length, 3, "files, empty, and an anonymous one of the image");
  out("rm", "-fv", id);
  assert.deepEqual(words("volume", "ls", "-q"), ["empty", "files"]);
  out("volume", "rm", "empty", "files");
});

test("folders of the machine, missing ones and tmpfs", () => {
  const dir = join(project.dir, "shared");
  mkdirSync(dir);
  writeFileSync(join(dir, "file"), "from outside\n");
  assert.equal(out("run", "--rm", "-v", `${dir}:/x:ro`, "box", "cat", "/x/file"), "from outside");
  out("run", "--rm", "-v", "./shared:/x", "box", "sh", "-c", "echo from inside > /x/back");
  assert.equal(readFileSync(join(dir, "back"), "utf8"), "from inside\n");
  out("run", "--rm", "-v", `${project.dir}/made/deep:/x`, "box", "ls", "/x");
  fails(
    125,
    /invalid mount config for type "bind": bind source path does not exist: \/nowhere/,
    "run",
    "--rm",
    "--mount",
    "type=bind,src=/nowhere,dst=/x",
    "box",
    "true",
  );
  assert.match(
    out("run", "--rm", "--tmpfs", "/t:size=1m,mode=1770", "box", "sh", "-c", "grep ' /t ' /proc/mounts; stat -c %a /t"),
    /tmpfs .*size=1024k.*\n1770$/,
  );
  fails(125, /invalid tmpfs option "what"/, "run", "--rm", "--tmpfs", "/t:what", "box", "true");
});

interface ProcessLine {
  readonly pid: number;
  readonly line: string;
}

/** Supervisors of this test's containers. */
function supervisors(): ProcessLine[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      return line.includes("slipway-supervisor run ") && line.includes(project.state)
        ? [{ pid: Number(name), line }]
        : [];
    } catch {
      return [];
    }
  });
}
