// Docker Engine 20.10 through docker's own command: the classic builder, and the BuildKit of its time.

import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { DockerPeer, withoutClassicDocker } from "../../test/integration/peers.ts";
import { CpuGroup } from "../ci/cpu-group.ts";
import { measure } from "../harness/meter.ts";
import { Unsupported } from "../harness/types.ts";
import type { BuildOrder, PeerKind } from "../harness/types.ts";
import { groupOf } from "./programs.ts";

export const docker20 = classic("docker-20", "Docker 20.10, classic builder", "10.214.0");
export const docker20BuildKit = classic("docker-20-buildkit", "Docker 20.10, BuildKit", "10.215.0");

function classic(id: string, title: string, subnet: string): PeerKind {
  const isBuildKit = id.endsWith("buildkit");
  return {
    id,
    title,
    missing: () => {
      const why = withoutClassicDocker();
      return why === false ? undefined : `${why}: apt-get install -y docker.io`;
    },
    start: async (lab) => {
      const group = new CpuGroup(groupOf(lab, id));
      const options = {
        cgroup: group.path,
        parent: lab.folder,
        ownNetwork: true,
        remove: lab.discard,
        bridge: { name: `sb${isBuildKit ? "b" : "c"}20`, subnet },
      };
      let engine = await DockerPeer.start(lab.registry, "classic", options);
      const home = join(lab.folder, `${id}-home`);
      mkdirSync(home, { recursive: true });
      const environment = () => ({
        PATH: process.env["PATH"],
        HOME: home,
        DOCKER_HOST: engine.host,
        DOCKER_BUILDKIT: "0",
      });
      // Debian's docker command of 20.10 has no BuildKit client in it; buildx speaks to the engine's BuildKit of 2021.
      const command = (order: BuildOrder) => {
        const words = isBuildKit ? [...engine.buildxCommand.argv, "build", "--provenance=false"] : ["docker", "build"];
        const env = isBuildKit ? engine.buildxCommand.env : environment();
        return { argv: [...words, "-q", ...argsOf(order), order.context], env };
      };
      return {
        id,
        title,
        reset: async () => {
          await engine[Symbol.asyncDispose]();
          engine = await DockerPeer.start(lab.registry, "classic", options);
        },
        build: async (order) => {
          const daemons = { pid: engine.pid, group };
          const { output } = order;
          const built = await measure([command(order)], lab.folder, daemons);
          if (output.kind !== "push") return built;
          const pushed = await measure(
            [{ argv: ["docker", "push", "-q", output.name], env: environment() }],
            lab.folder,
            daemons,
          );
          return added(built, pushed);
        },
        buildAll: (orders) => measure(orders.map(command), lab.folder, { pid: engine.pid, group }),
        [Symbol.asyncDispose]: async () => {
          await engine[Symbol.asyncDispose]();
          await group.remove();
        },
      };
    },
  };
}

function argsOf({ dockerfile, args = {}, noCache = false, output, cacheTo, cacheFrom }: BuildOrder): string[] {
  if (cacheTo !== undefined || cacheFrom !== undefined) throw new Unsupported("no cache export");
  if (output.kind === "layout") throw new Unsupported("no output as an OCI layout");
  if (output.kind === "load") throw new Unsupported("its image store is the engine's");
  return [
    ...(dockerfile === undefined ? [] : ["-f", dockerfile]),
    ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...(noCache ? ["--no-cache"] : []),
    ...(output.kind === "none" ? [] : ["-t", output.name]),
  ];
}

/** Two commands after each other as one sample. */
export function added(
  one: Awaited<ReturnType<typeof measure>>,
  other: Awaited<ReturnType<typeof measure>>,
): Awaited<ReturnType<typeof measure>> {
  const sum = (pick: (each: typeof one) => number | undefined) => {
    const [first, second] = [pick(one), pick(other)];
    return first === undefined || second === undefined ? undefined : first + second;
  };
  return {
    ...one,
    wallMs: one.wallMs + other.wallMs,
    cpuMs: sum(({ cpuMs }) => cpuMs),
    peakBytes: Math.max(one.peakBytes ?? 0, other.peakBytes ?? 0),
    writtenBytes: sum(({ writtenBytes }) => writtenBytes),
  };
}
