// What contexts need of the build that they belong to.

import type { State } from "../../../graph/llb/index.ts";
import type { GatewayClient, GatewayRef } from "../../gateway/index.ts";

export interface ContextHost {
  readonly gateway: GatewayClient;
  /** The session that offers a local folder. */
  sessionIdOf(local: string): string;
  solve(state: State, signal: AbortSignal, evaluate?: boolean): Promise<GatewayRef>;
}

/** The file, or undefined when it cannot be read. */
export async function tryRead(ref: GatewayRef, path: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await ref.readFile(path, { signal });
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
