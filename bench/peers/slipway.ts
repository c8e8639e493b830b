// Slipway without a daemon: each build is one command.

import { join } from "node:path";
import { measure } from "../harness/meter.ts";
import type { BuildOrder, CachePlace, Output, PeerKind } from "../harness/types.ts";

export const slipway: PeerKind = {
  id: "slipway",
  title: "Slipway",
  missing: () => undefined,
  start: async (lab) => {
    const root = join(lab.folder, "slipway-root");
    const command = (order: BuildOrder) => ({
      argv: [lab.slipway, "build", "--root", root, ...slipwayArgs(order), order.context],
      env: {
        ...process.env,
        SLIPWAY_NAMESPACE: undefined,
        ...(order.output.kind === "load" ? { DOCKER_HOST: order.output.engine } : {}),
      },
      wantsSteps: order.wantsSteps,
    });
    return {
      id: "slipway",
      title: "Slipway",
      reset: async () => lab.discard(root),
      build: (order) => measure([command(order)], lab.folder),
      buildAll: (orders) => measure(orders.map(command), lab.folder),
      [Symbol.asyncDispose]: async () => lab.discard(root),
    };
  },
};

function slipwayArgs(order: BuildOrder): string[] {
  return [...commonArgs(order), ...outputArgs(order.output)];
}

/** Options that buildx and Slipway share. Attestations are left out: only some peers make them. */
export function commonArgs({
  dockerfile,
  args = {},
  cacheTo,
  cacheFrom,
  noCache = false,
  wantsSteps = false,
}: BuildOrder): string[] {
  return [
    "--progress",
    wantsSteps ? "rawjson" : "quiet",
    "--provenance=false",
    ...(dockerfile === undefined ? [] : ["-f", dockerfile]),
    ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...(cacheTo === undefined ? [] : ["--cache-to", `${placeText(cacheTo, "dest")},mode=${cacheTo.mode}`]),
    ...(cacheFrom === undefined ? [] : ["--cache-from", placeText(cacheFrom, "src")]),
    ...(noCache ? ["--no-cache"] : []),
  ];
}

function placeText(place: CachePlace, folder: "dest" | "src"): string {
  return place.kind === "folder" ? `type=local,${folder}=${place.path}` : `type=registry,ref=${place.name}`;
}

function outputArgs(output: Output): string[] {
  switch (output.kind) {
    case "none":
      return ["-o", "type=cacheonly"];
    case "store":
      return ["-t", output.name];
    case "layout":
      return ["-o", `type=oci,dest=${output.path},compression=${output.compression}`];
    case "push":
      return ["-o", `type=registry,name=${output.name},registry.insecure=true`];
    case "load":
      return ["-t", output.name, "--load"];
  }
}
