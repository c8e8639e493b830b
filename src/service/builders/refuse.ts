// What a builder can't do is refused before anything is sent, with the builder's name, the reason and a remedy.
// Counterpart: docker/buildx build/opt.go, driver/features.go.

import { BuildError } from "../../base/index.ts";
import type { SessionPort } from "../../engine/index.ts";
import type { control } from "../../formats/proto/index.ts";

const REMEDY =
  'switch the engine to containerd\'s image store ("features": {"containerd-snapshotter": true} in daemon.json), or build with --builder embedded';

/** Refuses what an engine with the classic image store does not do. @throws BUILDER_LACKS. */
export function refuseClassicEngine(
  request: control.SolveRequest,
  session: SessionPort,
  builder: { readonly name: string; readonly location: string },
): void {
  const reason = "the engine has the classic image store";
  const refuse = (what: string): never => {
    throw new BuildError(`${what} is not supported by builder ${builder.name} (${builder.location}): ${reason}`, {
      code: "BUILDER_LACKS",
      status: "Unimplemented",
      hint: `${REMEDY}; slipway features ${builder.name} shows all that it can do`,
    });
  };
  const cache = request.Cache?.Exports.find(({ Type }) => Type !== "inline");
  if (cache !== undefined) refuse(`cache export (type=${cache.Type})`);
  if ((request.FrontendAttrs["platform"] ?? "").includes(",")) refuse("a build for several platforms");
  const attestation = Object.entries(request.FrontendAttrs).find(
    ([name, value]) => name.startsWith("attest:") && !/inline-only=true|disabled=true/.test(value),
  );
  if (attestation !== undefined) refuse(`attestation (${attestation[0].slice("attest:".length)})`);
  for (const [index, { Type }] of request.Exporters.entries()) {
    const isLoad = session.output(index)?.kind === "loader";
    if ((Type === "oci" || Type === "docker") && !isLoad) refuse(`output type=${Type}`);
  }
}
