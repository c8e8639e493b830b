// buildah, which needs no daemon either. Layers are kept, as the others keep them.

import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { measure } from "../harness/meter.ts";
import { Unsupported } from "../harness/types.ts";
import type { BuildOrder, PeerKind } from "../harness/types.ts";
import { added } from "./docker.ts";
import { hasProgram } from "./programs.ts";

export const buildah: PeerKind = {
  id: "buildah",
  title: "buildah",
  missing: () => (hasProgram("buildah") ? undefined : "not installed: apt-get install -y buildah"),
  start: async (lab) => {
    const store = join(lab.folder, "buildah");
    const global = ["buildah", "--root", store, "--runroot", `${store}-run`, "--storage-driver", "overlay"];
    const clean = () => {
      // Innermost first: buildah leaves its folder bound over itself, and what builds were killed in.
      const mounts = readFileSync("/proc/self/mounts", "utf8")
        .split("\n")
        .map((line) => line.split(" ")[1] ?? "");
      for (const point of mounts.filter((each) => each.startsWith(`${store}`)).toReversed())
        spawnSync("umount", ["-l", point], { stdio: "ignore" });
      lab.discard(store);
      lab.discard(`${store}-run`);
    };
    const command = (order: BuildOrder) => ({
      argv: [
        ...global,
        "build",
        "--runtime",
        "runc",
        "--layers",
        "-q",
        "--tls-verify=false",
        ...argsOf(order),
        order.context,
      ],
    });
    return {
      id: "buildah",
      title: "buildah",
      reset: async () => clean(),
      build: async (order) => {
        const built = await measure([command(order)], lab.folder);
        const { output } = order;
        const image = built.stdout.trim().split("\n").at(-1)!;
        const push = (destination: string, ...options: string[]) =>
          measure(
            [{ argv: [...global, "push", "-q", "--tls-verify=false", ...options, image, destination] }],
            lab.folder,
          );
        switch (output.kind) {
          case "none":
          case "store":
            return built;
          case "push":
            return added(built, await push(`docker://${output.name}`));
          case "load":
            throw new Unsupported("it can't be told which engine to load into but through the default socket");
          case "layout": {
            const compression = output.compression === "uncompressed" ? ["--disable-compression"] : [];
            if (output.compression === "zstd") compression.push("--compression-format", "zstd");
            return added(built, await push(`oci-archive:${output.path}`, ...compression));
          }
        }
      },
      buildAll: (orders) => measure(orders.map(command), lab.folder),
      [Symbol.asyncDispose]: async () => clean(),
    };
  },
};

function argsOf({ dockerfile, args = {}, noCache = false, output, cacheTo, cacheFrom }: BuildOrder): string[] {
  if (cacheTo !== undefined || cacheFrom !== undefined) throw new Unsupported("no cache in BuildKit's form");
  return [
    ...(dockerfile === undefined ? [] : ["-f", dockerfile]),
    ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...(noCache ? ["--no-cache"] : []),
    ...(output.kind === "store" ? ["-t", output.name] : []),
  ];
}
