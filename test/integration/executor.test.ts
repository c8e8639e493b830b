// The executor against real runtimes: what a step sees, how it ends, what it leaves behind.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RuntimeExecutor } from "../../src/engine/executor/index.ts";
import type { ContainerProcess } from "../../src/engine/executor/index.ts";
import { pb } from "../../src/formats/proto/index.ts";

let home: string;
let root: string;
let executor: RuntimeExecutor;

before(() => {
  home = mkdtempSync(join(tmpdir(), "slipway-executor-"));
  root = join(home, "root");
  for (const dir of ["bin", "etc", "tmp"]) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  chmodSync(join(root, "bin/busybox"), 0o755);
  symlinkSync("busybox", join(root, "bin/sh"));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nstaff:x:50:app\napp:x:1001:\n");
  executor = new RuntimeExecutor({
    runDir: join(home, "run"),
    privateMounts: process.env["SLIPWAY_NAMESPACE"] === "private",
  });
});

after(() => rmSync(home, { recursive: true, force: true }));

function shell(script: string, overrides: Partial<ContainerProcess> = {}): ContainerProcess {
  return {
    args: ["/bin/busybox", "sh", "-c", script],
    env: ["PATH=/bin", "WORD=wört"],
    cwd: "/",
    user: "",
    hostname: "buildkitsandbox",
    network: pb.NetMode.UNSET,
    security: pb.SecurityMode.SANDBOX,
    extraHosts: [],
    ulimits: [],
    resources: undefined,
    cgroupParent: "",
    rootPath: root,
    rootReadOnly: false,
    mounts: [],
    removeStubsRecursive: true,
    ...overrides,
  };
}

async function run(process: ContainerProcess, signal = new AbortController().signal) {
  let out = "";
  let err = "";
  const exit = await executor.run(process, {
    signal,
    onStdout: (chunk) => (out += Buffer.from(chunk).toString()),
    onStderr: (chunk) => (err += Buffer.from(chunk).toString()),
  });
  return { ...exit, out, err };
}

test("output, environment, exit codes and signals", async () => {
  const ok = await run(shell("echo $WORD; echo oops >&2; exit 3"));
  assert.deepEqual(ok, { exitCode: 3, outOfMemory: false, out: "wört\n", err: "oops\n" });
  assert.equal((await run(shell("/bin/busybox sh -c 'kill -9 $$'; exit $?"))).exitCode, 137);
});

test("users, groups and working directory", async () => {
  const busybox = (applet: string) => `/bin/busybox ${applet}`;
  assert.equal(
    (await run(shell(busybox("id"), { user: "app" }))).out,
    "uid=1000(app) gid=1001(app) groups=50(staff),1001(app)\n",
  );
  assert.equal((await run(shell(busybox("id -u; /bin/busybox id -g"), { user: "77:staff" }))).out, "77\n50\n");
  await assert.rejects(run(shell("true", { user: "nobody-here" })), {
    message: "unable to find user nobody-here: no matching entries in passwd file",
  });
  const made = await run(shell("pwd; echo x > f && /bin/busybox stat -c %u .", { cwd: "/srv/new", user: "app" }));
  assert.equal(made.out, "/srv/new\n1000\n");
  rmSync(join(root, "srv"), { recursive: true });
});

test("mount points that were not there leave nothing behind", async () => {
  const source = join(home, "source");
  mkdirSync(source);
  writeFileSync(join(source, "file"), "hello");
  const before = readdirSync(root).sort();
  const seen = await run(
    shell("cat /a/b/c/file; echo no > /a/b/c/x; cat /etc/hosts", {
      mounts: [
        { kind: "bind", source, dest: "/a/b/c", readOnly: true },
        { kind: "tmpfs", dest: "/dev/shm", sizeBytes: 1 << 20 },
      ],
      extraHosts: [{ host: "db", ip: "10.0.0.7" }],
    }),
  );
  assert.match(seen.out, /^hello127\.0\.0\.1\tlocalhost buildkitsandbox\n/);
  assert.match(seen.out, /10\.0\.0\.7\tdb/);
  assert.match(seen.err, /Read-only file system/);
  const made = ["proc", "dev", "sys"];
  assert.deepEqual(
    readdirSync(root)
      .filter((name) => !made.includes(name))
      .sort(),
    before.filter((name) => !made.includes(name)),
  );
  assert.ok(!existsSync(join(root, "etc/resolv.conf")));
});

test("no network means loopback alone", async () => {
  const { out } = await run(shell("/bin/busybox ls /sys/class/net", { network: pb.NetMode.NONE }));
  assert.equal(out, "lo\n");
});

test("aborting kills every process and leaves no bundle", async () => {
  const controller = new AbortController();
  const running = run(shell("/bin/busybox sleep 1000 & echo started; wait"), controller.signal);
  await new Promise((resolve) => setTimeout(resolve, 300));
  controller.abort(new DOMException("stop", "AbortError"));
  await assert.rejects(running, { name: "AbortError" });
  assert.deepEqual(readdirSync(join(home, "run/bundles")), []);
  assert.deepEqual(readdirSync(join(home, "run/runtime")), []);
  assert.ok(!execFileSync("ps", ["-eo", "args"]).toString().includes("busybox sleep 1000"));
});

test("limits are set, and running out of memory is told", async () => {
  const resources = {
    memory: 32n << 20n,
    memorySwap: 32n << 20n,
    cpuShares: 0n,
    cpuPeriod: 0n,
    cpuQuota: 0n,
    cpusetCpus: "",
    cpusetMems: "",
  };
  const { exitCode, outOfMemory } = await run(
    shell('x=y; while true; do x="$x$x"; done', { resources: resources as unknown as pb.LinuxResources }),
  );
  assert.equal(outOfMemory, true);
  assert.equal(exitCode, 137);
});

test("a sandboxed step can't mount, an insecure one can", async () => {
  const script = "/bin/busybox mount -t tmpfs none /tmp 2>/dev/null && echo mounted || echo refused";
  assert.equal((await run(shell(script))).out, "refused\n");
  assert.deepEqual(await run(shell(script, { security: pb.SecurityMode.INSECURE })), {
    exitCode: 0,
    outOfMemory: false,
    out: "mounted\n",
    err: "",
  });
});

test("a link in the image never leads a working directory outside", async () => {
  symlinkSync("/../../../../../..", join(root, "up"));
  await run(shell("pwd", { cwd: "/up/slipway-escape" }));
  assert.ok(!existsSync("/slipway-escape"));
  assert.ok(existsSync(join(root, "slipway-escape")));
  assert.equal(readFileSync(join(root, "etc/passwd"), "utf8").split("\n").length, 3);
});
