// The base image of the CI benchmark, in a registry of its own: Debian from the distribution's packages with Node.js, or busybox alone for a quick
// check. Made once for each folder that the user keeps.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../measure.ts";

/** Changes with the recipe. */
const VERSION = 2;

export interface BaseRegistry extends AsyncDisposable {
  readonly host: string;
  /** Reference of the base image in it. */
  readonly base: string;
}

/** Starts a registry that has the base image; what it stores stays in `folder`. */
export async function startBaseRegistry(
  folder: string,
  { kind, slipway }: { kind: "debian" | "busybox"; slipway: string },
): Promise<BaseRegistry> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const config = join(folder, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(folder, "registry")}}}\nhttp: {addr: "${host}"}\n`,
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const ended = once(child, "exit");
  const registry: BaseRegistry = {
    host,
    base: `${host}/base/${kind}:${VERSION}`,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
  try {
    await answers(host);
    const known = await fetch(`http://${host}/v2/base/${kind}/manifests/${VERSION}`, {
      headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
    });
    if (!known.ok) makeBase(registry.base, folder, { kind, slipway });
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
}

function makeBase(
  base: string,
  folder: string,
  { kind, slipway }: { kind: "debian" | "busybox"; slipway: string },
): void {
  const context = join(folder, "base-context");
  rmSync(context, { recursive: true, force: true });
  mkdirSync(context);
  if (kind === "debian") {
    console.log("making a Debian base image with debootstrap, once");
    const root = join(folder, "debian");
    rmSync(root, { recursive: true, force: true });
    const { suite, mirror } = distribution();
    run(["debootstrap", "--variant=minbase", suite, root, mirror]);
    rmSync(join(root, "var/cache/apt"), { recursive: true, force: true });
    run(["tar", "-C", root, "--numeric-owner", "-cf", join(context, "root.tar"), "."]);
    rmSync(root, { recursive: true, force: true });
    cpSync(process.execPath, join(context, "node"));
    writeFileSync(
      join(context, "Dockerfile"),
      'FROM scratch\nADD root.tar /\nCOPY --chmod=755 node /usr/local/bin/node\nCMD ["node"]\n',
    );
  } else {
    cpSync("/bin/busybox", join(context, "busybox"));
    writeFileSync(
      join(context, "Dockerfile"),
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "mkdir -p /tmp /etc && /bin/busybox --install -s /bin"]\n',
    );
  }
  const output = `type=image,name=${base},push=true,store=false,compression=gzip`;
  // An index with attestations is no manifest, and some peers read manifests alone.
  const state = join(folder, "base-state");
  run([slipway, "build", "--root", state, "--provenance=false", "--progress", "plain", "-o", output, context]);
  rmSync(state, { recursive: true, force: true });
  rmSync(context, { recursive: true, force: true });
}

/** The release and the mirror that this machine installs its packages from. */
function distribution(): { suite: string; mirror: string } {
  const suite = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const lists = ["/etc/apt/sources.list", ...globSync("/etc/apt/sources.list.d/*.{list,sources}")].filter((each) =>
    existsSync(each),
  );
  const mirror = lists
    .map((path) => /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(https?:\S+)/m.exec(readFileSync(path, "utf8"))?.[1])
    .find((found) => found !== undefined);
  if (suite === undefined || mirror === undefined)
    throw new Error("the base image needs a Debian-like machine: no suite or mirror found");
  return { suite, mirror };
}

async function answers(host: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const isThere = await fetch(`http://${host}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isThere) return;
    await sleep(100);
  }
  throw new Error("docker-registry did not start");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
