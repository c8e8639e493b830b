// What the ops of one solve share: who asked, what is allowed, where errors point.

import type { Platform } from "../../formats/oci/index.ts";
import type { SessionPort } from "../ports/index.ts";
import type { SourceMaps } from "./source-map.ts";

export interface SolveContext {
  readonly session: SessionPort;
  /** What `--allow` gave: "network.host", "security.insecure". */
  readonly entitlements: ReadonlySet<string>;
  /** Of ops that name none. */
  readonly platform: Platform;
  readonly sources: SourceMaps;
}
