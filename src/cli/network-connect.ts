// `slipway network connect|disconnect`.

import type { Invocation } from "./command.ts";

export function runConnect(_: Invocation): Promise<number> {
  return Promise.reject(new Error("connecting containers is not yet supported"));
}

export function runDisconnect(_: Invocation): Promise<number> {
  return Promise.reject(new Error("disconnecting containers is not yet supported"));
}
