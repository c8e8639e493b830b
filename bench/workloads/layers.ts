// Layers on their way out and in: export with each compression, push, pull and unpack, load into an engine.

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DockerPeer, withoutClassicDocker } from "../../test/integration/peers.ts";
import { Unsupported } from "../harness/types.ts";
import type { Lab, Output, Peer, Workload } from "../harness/types.ts";
import { context, fresh, manyFiles, RoundContexts, settle, writeProgramLike } from "./contexts.ts";
import { bare } from "./trees.ts";

const NOWHERE: Output = { kind: "none" };

export function layerWorkloads(isQuick: boolean): Workload[] {
  const large = isQuick ? 4 : 1000;
  const layer: Fill = (dir) => writeProgramLike(join(dir, "data"), large * 1e6);
  const files: Fill = (dir) => manyFiles(join(dir, "data"), isQuick ? 200 : 50_000, fresh());
  return [
    exportOf("export-gzip", `layer export, gzip, ${large} MB`, "gzip", layer, { ratio: 0.5 }),
    exportOf("export-zstd", `layer export, zstd, ${large} MB`, "zstd", layer, { ratio: 0.8 }),
    exportOf("export-uncompressed", `layer export, uncompressed, ${large} MB`, "uncompressed", layer),
    { ...exportOf("export-files", "layer export, gzip, many small files", "gzip", files), isVariant: true },
    pull(isQuick),
    push("push", "push of 5 layers, nothing there", false, isQuick, { ratio: 0.7 }),
    push("push-unchanged", "push of 5 layers, all there", true, isQuick),
    load("load", "nothing there", false, isQuick, { ratio: 0.6 }),
    load("load-unchanged", "all there", true, isQuick, { ratio: 0.05 }),
  ];
}

type Fill = (dir: string) => void;

function exportOf(
  id: string,
  title: string,
  compression: "gzip" | "zstd" | "uncompressed",
  fill: Fill,
  target?: Workload["target"],
): Workload {
  const contexts = new RoundContexts(id, "FROM scratch\nCOPY data /data\n", fill);
  const classic = "no output as an OCI layout";
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    without: {
      "docker-20": classic,
      "docker-20-buildkit": classic,
      ...(compression === "uncompressed"
        ? { buildah: "it compresses the layers of an archive whatever it is told" }
        : {}),
    },
    rounds: 3,
    isLarge: true,
    prepare: () => undefined,
    finish: (lab) => contexts.discard(lab),
    round: async (peer, lab, round) => {
      const dir = contexts.of(lab, round);
      const path = join(lab.folder, `${id}.tar`);
      await built(peer, lab, dir);
      settle(lab);
      const sample = await peer.build({ context: dir, output: { kind: "layout", path, compression } });
      checkLayout(path, compression);
      lab.discard(path);
      return sample;
    },
    limit: (lab) => {
      const dir = contexts.of(lab, 0);
      const program = { gzip: "gzip -6", zstd: "zstd -3", uncompressed: "cat" }[compression];
      const name = compression === "uncompressed" ? "tar" : `tar | ${program}`;
      const path = join(lab.folder, `${id}.limit`);
      settle(lab);
      const sample = bare(["sh", "-c", `tar -C ${dir} -cf - data | ${program} >${path}`]);
      lab.discard(path);
      return { name, sample };
    },
  };
}

/** Builds what is to be sent, so that sending alone is measured; a quick run leaves it to the command that sends. */
async function built(peer: Peer, lab: Lab, dir: string): Promise<void> {
  if (!lab.isQuick) await peer.build({ context: dir, output: NOWHERE });
}

/** @throws when the file is no layout with an image in it whose only layer is of that compression. */
function checkLayout(path: string, compression: "gzip" | "zstd" | "uncompressed"): void {
  const read = (name: string) =>
    JSON.parse(execFileSync("tar", ["-xOf", path, name], { encoding: "utf8" })) as {
      readonly manifests?: readonly { readonly digest: string }[];
      readonly layers?: readonly { readonly digest: string; readonly mediaType: string }[];
    };
  const blob = (digest = "") => `blobs/${digest.replace(":", "/")}`;
  const names = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).split("\n");
  let manifest = read(names.includes("./index.json") ? "./index.json" : "index.json");
  while (manifest.manifests !== undefined) manifest = read(blob(manifest.manifests[0]?.digest));
  const ending = compression === "uncompressed" ? "tar" : `tar+${compression}`;
  const [layer, ...others] = manifest.layers ?? [];
  if (layer === undefined || others.length > 0 || !layer.mediaType.endsWith(ending))
    throw new Error(`${path}: layers are ${JSON.stringify(manifest.layers)}, not one of ${ending}`);
  if (!names.includes(blob(layer.digest))) throw new Error(`${path}: has no ${layer.digest}`);
}

function pull(isQuick: boolean): Workload {
  const layers = 10;
  const bytes = isQuick ? 200_000 : 100_000_000;
  let dir = "";
  return {
    id: "pull",
    title: `pull and unpack of an image of ${(layers * bytes) / 1e6} MB in ${layers} layers`,
    target: { ratio: 0.9 },
    rounds: 3,
    isLarge: true,
    prepare: (lab) => {
      const name = `${lab.registry}/bench/large:1`;
      const copies = Array.from({ length: layers }, (_, at) => `COPY d${at} /d${at}\n`).join("");
      const made = context(lab, "pull-made", `FROM ${lab.base}\n${copies}`, (to) => {
        for (let at = 0; at < layers; at++) {
          mkdirSync(join(to, `d${at}`));
          writeProgramLike(join(to, `d${at}/data`), bytes);
        }
      });
      const root = join(lab.folder, "pull-root");
      const output = `type=registry,name=${name},compression=gzip,registry.insecure=true`;
      bare([lab.slipway, "build", "--root", root, "--progress", "quiet", "--provenance=false", "-o", output, made]);
      lab.discard(root);
      dir = context(lab, "pull", `FROM ${name}\nRUN test -s /d${layers - 1}/data\n`);
    },
    round: async (peer, lab) => {
      await peer.reset();
      settle(lab);
      return peer.build({ context: dir, output: NOWHERE });
    },
  };
}

function push(id: string, title: string, isThere: boolean, isQuick: boolean, target?: Workload["target"]): Workload {
  return {
    id,
    title,
    ...(target === undefined ? {} : { target }),
    isLarge: true,
    prepare: () => undefined,
    round: async (peer, lab, round) => {
      const dir = imageContext(lab, id, isQuick ? smallImage : { layers: 5, layerBytes: 40_000_000 });
      const name = `${lab.registry}/bench/${id}-${peer.id}:${round}`;
      await built(peer, lab, dir);
      if (isThere) await peer.build({ context: dir, output: { kind: "push", name } });
      settle(lab);
      return peer.build({ context: dir, output: { kind: "push", name } });
    },
  };
}

interface ImageSize {
  readonly layers: number;
  readonly layerBytes: number;
}

const smallImage: ImageSize = { layers: 3, layerBytes: 200_000 };

/** Layers that nobody has seen. */
function imageContext(lab: Lab, id: string, { layers, layerBytes }: ImageSize): string {
  lab.discard(join(lab.folder, "contexts", id));
  const names = Array.from({ length: layers }, (_, at) => `f${at}`);
  return context(lab, id, `FROM ${lab.base}\n${names.map((name) => `COPY ${name} /\n`).join("")}`, (to) => {
    for (const name of names) writeProgramLike(join(to, name), layerBytes);
  });
}

/**
 * The peers are BuildKit's way of loading, a tarball through the client (our daemon with the real buildx), and `docker load` of that tarball
 * alone, which is the least that way can take.
 */
function load(id: string, what: string, isThere: boolean, isQuick: boolean, target?: Workload["target"]): Workload {
  let engine: DockerPeer | undefined;
  const size = isQuick ? smallImage : { layers: 10, layerBytes: 100_000_000 };
  const own = "its image store is the engine's own";
  const name = `bench/${id}:latest`;
  return {
    id,
    title: `load of ${(size.layers * size.layerBytes) / 1e6} MB in ${size.layers} layers into Docker 20.10, ${what}`,
    ...(target === undefined ? {} : { target }),
    rounds: 3,
    isLarge: true,
    without: {
      "docker-20": own,
      "docker-20-buildkit": own,
      "docker-28": own,
      buildkitd: "buildx makes the same tarball from our daemon",
      buildah: "loads only through the default socket",
    },
    prepare: async (lab) => {
      const why = withoutClassicDocker();
      if (why !== false) throw new Unsupported(why);
      engine = await DockerPeer.start(lab.registry, "classic", {
        parent: lab.folder,
        ownNetwork: true,
        bridge: { name: "sbload", subnet: "10.217.0" },
        remove: lab.discard,
      });
    },
    finish: async () => engine?.[Symbol.asyncDispose](),
    round: async (peer: Peer, lab) => {
      const dir = imageContext(lab, id, size);
      const output: Output = { kind: "load", name, engine: engine!.host };
      await engine!.docker(["rmi", "-f", name]).catch(() => undefined);
      await built(peer, lab, dir);
      if (isThere) await peer.build({ context: dir, output });
      settle(lab);
      const sample = await peer.build({ context: dir, output });
      const { stdout } = await engine!.docker(["run", "--rm", "--network", "none", name, "ls", "/"]);
      if (!stdout.includes(`f${size.layers - 1}`)) throw new Error(`the loaded image lacks a file: ${stdout}`);
      return sample;
    },
    limit: (lab) => {
      const tar = join(lab.folder, "load.tar");
      const env = { PATH: process.env["PATH"], DOCKER_HOST: engine!.host };
      execFileSync("docker", ["save", "-o", tar, name], { env });
      if (!isThere) execFileSync("docker", ["rmi", "-f", name], { env });
      settle(lab);
      const sample = bare(["env", `DOCKER_HOST=${engine!.host}`, "docker", "load", "-q", "-i", tar]);
      lab.discard(tar);
      return { name: "docker load of its tarball", sample };
    },
  };
}
