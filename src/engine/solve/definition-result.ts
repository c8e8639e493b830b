// A request that brings its own definition instead of a frontend: what `buildctl build` without a frontend sends.

import { BuildError } from "../../base/index.ts";
import { formatAllPlatform, hostPlatform } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import type { FrontendResult } from "../../frontends/gateway/index.ts";

/** @throws INVALID_REQUEST when there is no definition either. */
export function definitionResult(request: control.SolveRequest): FrontendResult {
  const definition = request.Definition;
  if (definition === undefined) {
    throw new BuildError("the request has neither a frontend nor a definition", {
      code: "INVALID_REQUEST",
      status: "InvalidArgument",
    });
  }
  const platform = hostPlatform();
  const config = JSON.stringify({
    architecture: platform.architecture,
    os: platform.os,
    rootfs: { type: "layers", diff_ids: null },
    config: {},
  });
  return {
    builds: [
      {
        key: formatAllPlatform(platform),
        platform,
        definition,
        config: new TextEncoder().encode(config),
        baseConfig: undefined,
        epoch: undefined,
      },
    ],
    multiPlatform: false,
    metadata: new Map(),
  };
}
