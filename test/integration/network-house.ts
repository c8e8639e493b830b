// Where tests of networks live: a state root, a "host" (the namespaces that networks.test.ts started this process in), one more network namespace that
// plays the outside, and a check after each test that nothing is left behind.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parsePortSpec, pruneNetworks, sweepNetworks } from "../../src/running/networks/index.ts";
import { assertNothingLeft, networkLeftovers } from "./network-leftovers.ts";
import { Member, type MemberOptions } from "./network-members.ts";

const helper = process.env["SLIPWAY_NET_HELPER"]!;
export const HOST = "192.0.2.1";
/** The machine that the outside knows. */
export const OUTSIDE = "192.0.2.2";
export let home: string;
export let root: string;
export let outside: ChildProcess;
const members: Member[] = [];
export const children: ChildProcess[] = [];

before(async () => {
  home = mkdtempSync(join(tmpdir(), "slipway-networks-"));
  root = join(home, "state");
  mkdirSync(root);
  outside = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(outside.stdout!, "data");
  ip("link set lo up");
  ip(`link add out0 type veth peer name in0 netns ${outside.pid}`);
  ip(`address add ${HOST}/24 dev out0`);
  ip("link set out0 up");
  fromOutside("ip", "address", "add", `${OUTSIDE}/24`, "dev", "in0");
  fromOutside("ip", "link", "set", "in0", "up");
  // The host's resolver: a file of this mount namespace.
  writeFileSync(join(home, "resolv.conf"), "nameserver 127.0.0.53\nsearch corp.example\noptions timeout:2\n");
  execFileSync("mount", ["--bind", join(home, "resolv.conf"), "/etc/resolv.conf"]);
});

afterEach(async () => {
  for (const member of members.splice(0)) await member.stop();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await pruneNetworks(root, () => true);
  await sweepNetworks(root, { thorough: true });
  await assertNothingLeft(networkLeftovers, "bridges, wires and rules left behind");
});

after(() => {
  outside.kill("SIGKILL");
  execFileSync("umount", ["/etc/resolv.conf"]);
  rmSync(home, { recursive: true, force: true });
});

export function ip(line: string): void {
  execFileSync("ip", line.split(" "), { stdio: ["ignore", "ignore", "inherit"] });
}

export function fromOutside(...argv: string[]): string {
  return execFileSync("nsenter", [`--net=/proc/${outside.pid}/ns/net`, ...argv], { encoding: "utf8", timeout: 20_000 });
}

export async function start(options: MemberOptions): Promise<Member> {
  const member = await Member.start(root, helper, options);
  members.push(member);
  return member;
}

export const publish = (...specs: string[]) => ({ ports: specs.flatMap(parsePortSpec) });

/** A server of one line inside. */
export async function echo(member: Member, port: number, text: string): Promise<void> {
  await member.serve("busybox", "nc", "-ll", "-p", String(port), "-e", "/bin/echo", text);
  for (let left = 100; !member.run("busybox", "netstat", "-ltn").includes(`:${port} `); left--) {
    assert.ok(left > 0, `nothing listens on ${port}`);
    await sleep(20);
  }
}

export async function ask(port: number, host: string): Promise<string> {
  const socket: Socket = connect(port, host);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, "close");
  return text.trim();
}
