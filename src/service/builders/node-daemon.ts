// The port of daemons that a driver starts itself: found, made, reached, stopped and removed.
// Counterpart: docker/buildx driver/driver.go.

import type { Duplex } from "node:stream";

/** What there is of a daemon: nothing at all, something that does not run, one that was started just now, one that runs. */
export type DaemonState = "inactive" | "stopped" | "starting" | "running";

export interface NodeDaemon {
  /** @throws where its host can't be asked. */
  state(signal: AbortSignal): Promise<DaemonState>;
  /** Makes it where it is missing and starts it; done when it was started, which is before it answers. */
  start(signal: AbortSignal): Promise<void>;
  /** A connection to its API, which the caller owns. */
  dial(signal: AbortSignal): Promise<Duplex>;
  /** Its last words, for messages. */
  log(signal: AbortSignal): Promise<string>;
  /** Nothing happens where it does not run. */
  stop(signal: AbortSignal): Promise<void>;
  /** Its cache goes too, unless it is kept. */
  remove(options: { readonly keepState: boolean }, signal: AbortSignal): Promise<void>;
}

/** Whichever of the two commands is there, as standard input and output of a shell. */
export const dialScript =
  "if command -v slipway >/dev/null 2>&1; then exec slipway dial-stdio; else exec buildctl dial-stdio; fi";
