// `compose cp`. Counterpart: docker/compose cmd/compose/cp.go.

import type { Invocation } from "../command.ts";
import { later } from "../later.ts";

export function runCp(_invocation: Invocation): Promise<number> {
  return Promise.reject(later("compose cp", "use slipway compose exec -T SERVICE tar"));
}
