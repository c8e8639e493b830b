// Layers on their way out and in: export with each compression, push, pull and unpack, load into an engine.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DockerPeer, withoutClassicDocker } from "../../test/integration/peers.ts";
import { Unsupported } from "../harness/types.ts";
import type { Lab, Output, Peer, Workload } from "../harness/types.ts";
import { context, fresh, manyFiles, programLike } from "./contexts.ts";
import { bare } from "./trees.ts";

const NOWHERE: Output = { kind: "none" };

export function layerWorkloads(isQuick: boolean): Workload[] {
  const large = isQuick ? 4 : 1000;
  const layer: Fill = (dir) => writeFileSync(join(dir, "data"), programLike(large * 1e6, fresh()));
  const files: Fill = (dir) => manyFiles(join(dir, "data"), isQuick ? 500 : 50_000, fresh());
  return [
    exportOf("export-gzip", `layer export, gzip, ${large} MB`, "gzip", layer, { ratio: 0.5 }),
    exportOf("export-zstd", `layer export, zstd, ${large} MB`, "zstd", layer, { ratio: 0.8 }),
    exportOf("export-files", "layer export, gzip, many small files", "gzip", files),
    pull(isQuick),
    push("push", "push, nothing there", false, isQuick, { ratio: 0.7 }),
    push("push-unchanged", "push, all there", true, isQuick),
    load("load", "load into Docker 20.10, nothing there", false, isQuick, { ratio: 0.6 }),
    load("load-unchanged", "load into Docker 20.10, all there", true, isQuick, { ratio: 0.05 }),
  ];
}

type Fill = (dir: string) => void;

function exportOf(
  id: string,
  title: string,
  compression: "gzip" | "zstd",
  fill: Fill,
  target?: Workload["target"],
): Workload {
  const dirOf = (lab: Lab) => {
    rmSync(join(lab.folder, "contexts", id), { recursive: true, force: true });
    return context(lab, id, "FROM scratch\nCOPY data /data\n", fill);
  };
  const classic = "no output as an OCI layout";
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    without: { "docker-20": classic, "docker-20-buildkit": classic },
    prepare: () => undefined,
    round: async (peer, lab) => {
      const dir = dirOf(lab);
      const path = join(lab.folder, `${id}.tar`);
      await peer.build({ context: dir, output: NOWHERE });
      const sample = await peer.build({ context: dir, output: { kind: "layout", path, compression } });
      checkLayout(path);
      rmSync(path, { force: true });
      return sample;
    },
    limit: (lab) => {
      const dir = dirOf(lab);
      const program = compression === "gzip" ? "gzip -6" : "zstd -3";
      return {
        name: `tar | ${program}`,
        sample: bare(["sh", "-c", `tar -C ${dir} -cf - data | ${program} >/dev/null`]),
      };
    },
  };
}

/** @throws when the file is no layout with an image in it. */
function checkLayout(path: string): void {
  const names = execFileSync("tar", ["-tf", path], { encoding: "utf8" });
  if (!names.includes("index.json") || !names.includes("blobs/sha256/")) throw new Error(`${path}: no OCI layout`);
}

function pull(isQuick: boolean): Workload {
  const layers = 10;
  const bytes = isQuick ? 200_000 : 100_000_000;
  let dir = "";
  return {
    id: "pull",
    title: `pull and unpack of an image of ${(layers * bytes) / 1e6} MB in ${layers} layers`,
    target: { ratio: 0.9 },
    prepare: (lab) => {
      const name = `${lab.registry}/bench/large:1`;
      const copies = Array.from({ length: layers }, (_, at) => `COPY d${at} /d${at}\n`).join("");
      const made = context(lab, "pull-made", `FROM ${lab.base}\n${copies}`, (to) => {
        for (let at = 0; at < layers; at++) {
          mkdirSync(join(to, `d${at}`));
          writeFileSync(join(to, `d${at}/data`), programLike(bytes, String(at)));
        }
      });
      const root = join(lab.folder, "pull-root");
      const output = `type=registry,name=${name},compression=gzip,registry.insecure=true`;
      bare(
        [lab.slipway, "build", "--root", root, "--progress", "quiet", "--provenance=false", "-o", output, made],
        root,
      );
      dir = context(lab, "pull", `FROM ${name}\nRUN test -s /d${layers - 1}/data\n`);
    },
    round: async (peer) => {
      await peer.reset();
      return peer.build({ context: dir, output: NOWHERE });
    },
  };
}

function push(id: string, title: string, isThere: boolean, isQuick: boolean, target?: Workload["target"]): Workload {
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    prepare: () => undefined,
    round: async (peer, lab, round) => {
      const dir = imageContext(lab, id, isQuick);
      const name = `${lab.registry}/bench/${id}-${peer.id}:${round}`;
      await peer.build({ context: dir, output: NOWHERE });
      if (isThere) await peer.build({ context: dir, output: { kind: "push", name } });
      return peer.build({ context: dir, output: { kind: "push", name } });
    },
  };
}

/** Five layers of 40 MB that nobody has seen. */
function imageContext(lab: Lab, id: string, isQuick: boolean): string {
  rmSync(join(lab.folder, "contexts", id), { recursive: true, force: true });
  const names = [0, 1, 2, 3, 4].map((at) => `f${at}`);
  return context(lab, id, `FROM ${lab.base}\n${names.map((name) => `COPY ${name} /\n`).join("")}`, (to) => {
    for (const name of names) writeFileSync(join(to, name), programLike(isQuick ? 400_000 : 40_000_000, fresh()));
  });
}

/**
 * The peers are BuildKit's way of loading, a tarball through the client (our daemon with the real buildx), and `docker load` of that tarball
 * alone, which is the least that way can take.
 */
function load(id: string, title: string, isThere: boolean, isQuick: boolean, target?: Workload["target"]): Workload {
  let engine: DockerPeer | undefined;
  const own = "its image store is the engine's own";
  const name = `bench/${id}:latest`;
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    without: {
      "docker-20": own,
      "docker-20-buildkit": own,
      "docker-28": own,
      buildah: "loads only through the default socket",
    },
    prepare: async (lab) => {
      const why = withoutClassicDocker();
      if (why !== false) throw new Unsupported(why);
      engine = await DockerPeer.start(lab.registry, "classic", {
        parent: lab.folder,
        ownNetwork: true,
        bridge: { name: "sbload", subnet: "10.217.0" },
      });
    },
    finish: async () => engine?.[Symbol.asyncDispose](),
    round: async (peer: Peer, lab) => {
      const dir = imageContext(lab, id, isQuick);
      const output: Output = { kind: "load", name, engine: engine!.host };
      await engine!.docker(["rmi", "-f", name]).catch(() => undefined);
      await peer.build({ context: dir, output: NOWHERE });
      if (isThere) await peer.build({ context: dir, output });
      const sample = await peer.build({ context: dir, output });
      const { stdout } = await engine!.docker(["run", "--rm", "--network", "none", name, "ls", "/"]);
      if (!stdout.includes("f4")) throw new Error(`the loaded image lacks a file: ${stdout}`);
      return sample;
    },
    limit: (lab) => {
      const tar = join(lab.folder, "load.tar");
      const env = { PATH: process.env["PATH"], DOCKER_HOST: engine!.host };
      execFileSync("docker", ["save", "-o", tar, name], { env });
      if (!isThere) execFileSync("docker", ["rmi", "-f", name], { env });
      const sample = bare(["env", `DOCKER_HOST=${engine!.host}`, "docker", "load", "-q", "-i", tar], tar);
      return { name: "docker load of its tarball", sample };
    },
  };
}
