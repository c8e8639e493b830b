// The daemon's clock, which clients reckon durations of running builds by. Counterpart: moby/buildkit control/control.go timestampKey.

import { Metadata } from "../../system/rpc/index.ts";
import type { ServerCall } from "../../system/rpc/index.ts";

/** Sends the call's headers, with what the time is here. */
export function sendTime(call: ServerCall): void {
  call.sendHeaders(new Metadata({ "buildkit-current-timestamp": new Date().toISOString() }));
}
