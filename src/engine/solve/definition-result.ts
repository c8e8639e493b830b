// A request that brings its own definition instead of a frontend: what `buildctl build` without a frontend sends.

import { BuildError } from "../../base/index.ts";
import { formatAllPlatform, hostPlatform } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { openScanner, parseAttestations } from "../../frontends/gateway/index.ts";
import type { FrontendResult, GatewayClient } from "../../frontends/gateway/index.ts";
import { stateOfDefinition } from "../../graph/llb/index.ts";

/** Nobody but us can have its result scanned. @throws INVALID_REQUEST when there is no definition either; what the scanner throws. */
export async function definitionResult(
  request: control.SolveRequest,
  gateway: GatewayClient,
  signal: AbortSignal,
): Promise<FrontendResult> {
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
  const key = formatAllPlatform(platform);
  const sbom = parseAttestations(gateway.options).get("sbom");
  const scan = sbom && (await openScanner(gateway, sbom, { platform, resolveMode: "default" }, signal));
  const core = stateOfDefinition(definition).output;
  return {
    builds: [
      {
        key,
        platform,
        definition,
        config: new TextEncoder().encode(config),
        baseConfig: undefined,
        epoch: undefined,
        ...(scan && { attestations: [scan({ name: key, core, extras: new Map(), ignoreCache: false })] }),
      },
    ],
    multiPlatform: false,
    metadata: new Map(),
  };
}
