// Progress of several targets in one display: each step says whose it is. Counterpart: docker/buildx util/progress WithPrefix.

import type { control } from "../formats/proto/index.ts";

type OnStatus = (status: control.StatusResponse) => void;

/** Passes messages on with the target's name in front of steps' names: `[app internal] …`, `[app stage 1/3] …`. */
export function prefixed(targetOf: (digest: string) => string, onStatus: OnStatus): OnStatus {
  return (status) => {
    for (const vertex of status.vertexes) vertex.name = withPrefix(targetOf(vertex.digest), vertex.name);
    onStatus(status);
  };
}

function withPrefix(target: string, name: string): string {
  return name.startsWith("[") ? `[${target} ${name.slice(1)}` : `[${target}] ${name}`;
}
