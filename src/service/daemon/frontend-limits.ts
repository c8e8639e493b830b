// Which frontends a daemon runs, as its operator says. Counterpart: moby/buildkit cmd/buildkitd/config, frontend/gateway isAllowed.

import { BuildError } from "../../base/index.ts";
import { parseReference, referenceName } from "../../formats/oci/index.ts";
import type { FrontendRequest } from "../../frontends/gateway/index.ts";

/** What frontends builds may use. */
export interface FrontendLimits {
  readonly dockerfile: boolean;
  /** Frontend images. */
  readonly gateway: boolean;
  /** Of frontend images, by name without tag; empty allows all. */
  readonly allowedRepositories: readonly string[];
}

/** Throws FRONTEND_DENIED for what may not run. */
export function frontendCheck(limits: FrontendLimits): (request: FrontendRequest) => void {
  const allowed = new Set(limits.allowedRepositories.map((name) => referenceName(parseReference(name))));
  return ({ frontend, options }) => {
    if (frontend === "dockerfile.v0" && !limits.dockerfile) throw denied(frontend);
    if (frontend !== "gateway.v0") return;
    if (!limits.gateway) throw denied(frontend);
    const source = options["source"] ?? "";
    if (allowed.size > 0 && !allowed.has(referenceName(parseReference(source))))
      throw denied(`the frontend image ${source}`);
  };
}

function denied(what: string): BuildError {
  return new BuildError(`${what} is not allowed here`, {
    code: "FRONTEND_DENIED",
    status: "PermissionDenied",
    hint: "the daemon's configuration decides: frontend in buildkitd.toml",
  });
}
