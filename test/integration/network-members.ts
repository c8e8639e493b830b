// Stand-ins for containers, for tests of networks alone: a process in a network namespace of its own, with the helper and the locks that a
// supervisor has. Run inside a network and mount namespace of the test's own.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { lockFile } from "../../src/system/linux/index.ts";
import { type NetworkPlan, type NetworkRequest, planNetwork } from "../../src/running/networks/index.ts";

export interface MemberOptions {
  readonly name: string;
  readonly network?: Partial<NetworkRequest>;
  readonly networks?: readonly string[];
  readonly aliases?: readonly string[];
  readonly ipv4?: string;
}

/** A running stand-in. */
export class Member {
  readonly id: string;
  readonly plan: NetworkPlan;
  readonly #root: string;
  readonly #holder: ChildProcess;
  readonly #helpers: ChildProcess[] = [];
  readonly #servers: ChildProcess[] = [];
  readonly #locks: number[];

  private constructor(root: string, id: string, plan: NetworkPlan, holder: ChildProcess, locks: number[]) {
    this.#root = root;
    this.id = id;
    this.plan = plan;
    this.#holder = holder;
    this.#locks = locks;
  }

  static async start(root: string, helper: string, options: MemberOptions): Promise<Member> {
    const id = randomBytes(32).toString("hex");
    const plan = await planNetwork(
      {
        mode: {
          kind: "networks",
          endpoints: (options.networks ?? ["bridge"]).map((network) => ({
            network,
            aliases: options.aliases ?? [],
            ipv4: options.ipv4,
          })),
        },
        ports: [],
        publishAll: false,
        exposed: [],
        dns: [],
        dnsSearch: [],
        dnsOptions: [],
        extraHosts: [],
        ...options.network,
      },
      { root, containerId: id, containerName: options.name, hostname: id.slice(0, 12), domainname: "" },
    );
    const dir = join(root, "containers", id);
    mkdirSync(dir, { recursive: true });
    const holder = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(holder.stdout!, "data");
    const netns = join(dir, "netns");
    writeFileSync(netns, "");
    execFileSync("mount", ["--bind", `/proc/${holder.pid}/ns/net`, netns]);
    const locks = plan.members.map((path) => {
      const fd = openSync(path, "r");
      lockFile(fd, "shared");
      return fd;
    });
    plan.release();
    const member = new Member(root, id, plan, holder, locks);
    try {
      for (const argv of plan.hostUp) execFileSync(argv[0]!, argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
      for (const argv of plan.insideUp)
        execFileSync("nsenter", [`--net=${netns}`, ...argv], { stdio: ["ignore", "pipe", "pipe"] });
      for (const { words } of plan.helpers) await member.#startHelper(helper, words, netns);
    } catch (error) {
      await member.stop();
      throw error;
    }
    return member;
  }

  /** Of a process inside. */
  get pid(): number {
    return this.#holder.pid!;
  }

  get address(): string {
    return this.plan.endpoints[0]!.ipAddress;
  }

  /** Runs a program inside and gives its output. */
  run(...argv: string[]): string {
    return execFileSync("nsenter", [`--net=/proc/${this.#holder.pid}/ns/net`, ...argv], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 20_000,
    });
  }

  /** Starts a server inside; it ends with the stand-in. */
  async serve(...argv: string[]): Promise<ChildProcess> {
    const child = spawn("nsenter", [`--net=/proc/${this.#holder.pid}/ns/net`, ...argv], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#servers.push(child);
    await once(child, "spawn");
    return child;
  }

  /** As a supervisor ends: everything is taken back. */
  async stop(): Promise<void> {
    await this.kill();
    for (const argv of this.plan.hostDown) {
      try {
        execFileSync(argv[0]!, argv.slice(1), { stdio: "ignore" });
      } catch {
        // Not there any more.
      }
    }
  }

  /** As kill -9 of a supervisor ends it: nothing is taken back but what the kernel takes. */
  async kill(): Promise<void> {
    for (const child of [...this.#helpers, ...this.#servers, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    try {
      execFileSync("umount", [join(this.#root, "containers", this.id, "netns")], { stdio: "ignore" });
    } catch {
      // Never mounted.
    }
    for (const fd of this.#locks.splice(0)) closeSync(fd);
  }

  get helperPids(): number[] {
    return this.#helpers.map(({ pid }) => pid!);
  }

  async #startHelper(helper: string, words: readonly string[], netns: string): Promise<void> {
    const fd = openSync(netns, "r");
    const child = spawn(helper, [...words], { stdio: ["ignore", "pipe", "inherit", fd] });
    closeSync(fd);
    this.#helpers.push(child);
    const [line] = (await once(child.stdout!, "data")) as [Buffer];
    if (line.toString() !== "ok\n") throw new Error(line.toString().trim());
  }
}
