// Two hosts with a slow, lossy link between them that is cut again and again: builds over mutual TLS go on, and make what they would
// have made without. Cuts are of both kinds: the link goes down for a moment, or the connections are reset.

import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createHash } from "node:crypto";
import { program, Project } from "./project.ts";

const CUTS = 20;
const HERE = `slipway-a${process.pid}`;
const THERE = `slipway-b${process.pid}`;
const ADDRESS = "10.99.0.2";

function missing(): string | false {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const lacking = ["/usr/sbin/ip", "/usr/sbin/tc", "/usr/sbin/iptables", "/usr/bin/ss"].filter(
    (path) =>
      !existsSync(path) && !existsSync(path.replace("/usr", "")) && !existsSync(path.replace("/usr/bin", "/bin")),
  );
  return lacking.length === 0 ? false : `no ${lacking.join(", ")}; install iproute2 and iptables`;
}

const ip = (...args: string[]) => void execFileSync("ip", args, { stdio: "pipe" });
const within = (namespace: string, ...argv: string[]) =>
  void execFileSync("ip", ["netns", "exec", namespace, ...argv], { stdio: "pipe" });

/** Two namespaces and the link between them. Dispose to remove all. */
function openLink(): Disposable & { cut(kind: "down" | "reset"): Promise<void> } {
  ip("netns", "add", HERE);
  ip("netns", "add", THERE);
  ip("link", "add", "link0", "netns", HERE, "type", "veth", "peer", "name", "link1", "netns", THERE);
  for (const [namespace, device, address] of [
    [HERE, "link0", "10.99.0.1/24"],
    [THERE, "link1", `${ADDRESS}/24`],
  ] as const) {
    ip("-n", namespace, "link", "set", "lo", "up");
    ip("-n", namespace, "addr", "add", address, "dev", device);
    ip("-n", namespace, "link", "set", device, "up");
    within(
      namespace,
      "tc",
      "qdisc",
      "replace",
      "dev",
      device,
      "root",
      "tbf",
      "rate",
      "40mbit",
      "burst",
      "64kbit",
      "latency",
      "200ms",
    );
    within(
      namespace,
      "iptables",
      "-A",
      "INPUT",
      "-i",
      device,
      "-m",
      "statistic",
      "--mode",
      "random",
      "--probability",
      "0.01",
      "-j",
      "DROP",
    );
  }
  return {
    async cut(kind) {
      if (kind === "reset") return within(HERE, "ss", "-K", "dst", ADDRESS);
      ip("-n", HERE, "link", "set", "link0", "down");
      await sleep(300);
      ip("-n", HERE, "link", "set", "link0", "up");
    },
    [Symbol.dispose]() {
      ip("netns", "del", HERE);
      ip("netns", "del", THERE);
    },
  };
}

test(`builds over a bad link survive ${CUTS} cuts each`, { skip: missing() }, async (t) => {
  using project = new Project();
  using link = openLink();
  const tls = join(project.dir, "tls");
  execFileSync(process.execPath, [program, "daemon", "init-tls", "--host", ADDRESS, tls], { stdio: "pipe" });
  const daemonArgs = ["daemon", "--addr", `tcp://${ADDRESS}:1234`, "--root", join(project.dir, "daemon")];
  daemonArgs.push(
    "--tlscacert",
    join(tls, "ca.pem"),
    "--tlscert",
    join(tls, "server.pem"),
    "--tlskey",
    join(tls, "server-key.pem"),
  );
  const daemon = spawn("nsenter", [`--net=/run/netns/${THERE}`, process.execPath, program, ...daemonArgs], {
    env: process.env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  daemon.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(daemon, "exit");
  try {
    for (let tries = 0; !/listening on tcp/.test(said); tries++) {
      assert.ok(tries < 100 && daemon.exitCode === null, said);
      await sleep(100);
    }
    const env = {
      ...process.env,
      SLIPWAY_CONFIG: join(project.dir, "config"),
      SLIPWAY_ROOT: project.state,
      BUILDKIT_PROGRESS: "plain",
      SOURCE_DATE_EPOCH: "1700000000",
    };
    const slipway = (namespace: string | undefined, ...argv: string[]): Promise<{ code: number; output: string }> =>
      new Promise((resolve) => {
        const command = [process.execPath, program, ...argv];
        const [file = "", ...args] =
          namespace === undefined ? command : ["nsenter", `--net=/run/netns/${namespace}`, ...command];
        execFile(file, args, { env, maxBuffer: 1 << 26, timeout: 240_000 }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
        );
      });
    const options = `cacert=${tls}/ca.pem,cert=${tls}/client.pem,key=${tls}/client-key.pem`;
    const created = await slipway(
      HERE,
      "create",
      "--name",
      "far",
      "--driver-opt",
      options,
      "--bootstrap",
      `tcp://${ADDRESS}:1234`,
    );
    assert.equal(created.code, 0, created.output);

    for (const round of [1, 2]) {
      await t.test(`build ${round}`, async () => {
        const dir = project.context(
          `FROM scratch\nCOPY busybox /bin/busybox\nCOPY big /big\nRUN ["/bin/busybox","sh","-c","for i in 1 2 3 4 5 6 7 8; do /bin/busybox echo line $i of ${round}; /bin/busybox sleep 1; done > /log; /bin/busybox sha256sum /big > /sum"]\n`,
          { big: bytes(round) },
        );
        mkdirSync(join(project.dir, `out${round}`));
        const outputs = (name: string) => [
          "-o",
          `type=oci,dest=${project.dir}/out${round}/${name}.tar,rewrite-timestamp=true`,
          "--provenance=false",
          "--metadata-file",
          `${project.dir}/out${round}/${name}.json`,
        ];
        const building = slipway(HERE, "build", "--builder", "far", ...outputs("far"), dir);
        let done = false;
        void building.then(() => (done = true));
        let cuts = 0;
        for (; cuts < CUTS; cuts++) {
          await sleep(400);
          if (done) break;
          await link.cut(cuts % 2 === 0 ? "down" : "reset");
        }
        const far = await building;
        await sleep(500);
        assert.equal(far.code, 0, far.output + said);
        assert.equal(cuts, CUTS, "the build was over too soon");
        const near = await slipway(undefined, "build", "--builder", "embedded", ...outputs("near"), dir);
        assert.equal(near.code, 0, near.output);
        assert.equal(digestOf(project, `out${round}/far.json`), digestOf(project, `out${round}/near.json`));
        assert.equal(hashOf(project, `out${round}/far.tar`), hashOf(project, `out${round}/near.tar`));
      });
    }
  } finally {
    daemon.kill("SIGTERM");
    await ended;
  }
});

/** Eight megabytes that don't compress, the same for a seed. */
function bytes(seed: number): Buffer {
  const parts: Buffer[] = [];
  let part = createHash("sha512").update(`seed ${seed}`).digest();
  for (let size = 0; size < 8e6; size += part.length) parts.push((part = createHash("sha512").update(part).digest()));
  return Buffer.concat(parts);
}

function digestOf(project: Project, file: string): string | undefined {
  const metadata = JSON.parse(readFileSync(join(project.dir, file), "utf8")) as Record<string, string>;
  return metadata["containerimage.digest"];
}

function hashOf(project: Project, file: string): string {
  return createHash("sha256")
    .update(readFileSync(join(project.dir, file)))
    .digest("hex");
}
