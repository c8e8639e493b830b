// Questions that a Dockerfile can be asked instead of being built. Counterpart: frontend/dockerui/requests.go.

import type { BuildClient, Entrypoint } from "../context/client.ts";
import { FrontendError } from "../source-error.ts";
import { convertLlbSubrequest } from "./convert-llb.ts";
import { indentedJson } from "./json.ts";
import { lintSubrequest } from "./lint.ts";
import { outlineSubrequest } from "./outline.ts";
import { targetsSubrequest } from "./targets.ts";
import { textTable } from "./text-table.ts";

/** The answer to the request that the attributes name, by result key; undefined when they name none. @throws FrontendError */
export async function answerSubrequest(
  client: BuildClient,
  entrypoint: Entrypoint,
  signal: AbortSignal,
): Promise<Map<string, string> | undefined> {
  const id = client.gateway.options["requestid"];
  switch (id) {
    case undefined:
      return undefined;
    case "frontend.lint":
      return lintSubrequest(client, entrypoint, signal);
    case "frontend.outline":
      return outlineSubrequest(client, entrypoint, signal);
    case "frontend.targets":
      return targetsSubrequest(entrypoint);
    case "frontend.convertllb":
      return convertLlbSubrequest(client, entrypoint, signal);
    case "frontend.subrequests.describe":
      return describe();
    default:
      throw new FrontendError(`unsupported request ${id}`);
  }
}

const NAMED = ["result.json", "result.txt"].map((name) => ({ name, description: "" }));

const REQUESTS = [
  {
    name: "frontend.outline",
    description: "List all parameters current build target supports",
    opts: [{ name: "target", description: "Target build stage" }],
  },
  { name: "frontend.targets", description: "List all targets current build supports", opts: [] },
  { name: "frontend.subrequests.describe", description: "List available subrequest types", opts: null },
];

function describe(): Map<string, string> {
  const version = "1.0.0";
  const requests = REQUESTS.map(({ name, description, opts }) => ({
    name,
    version,
    type: "rpc",
    description,
    opts,
    inputs: null,
    metadata: NAMED,
    refs: null,
  }));
  const rows = REQUESTS.map(({ name, description }) => [name.replace(/^frontend\./, ""), version, description]);
  return new Map([
    ["result.json", indentedJson(requests)],
    ["result.txt", textTable([["NAME", "VERSION", "DESCRIPTION"], ...rows], 1)],
    ["version", version],
  ]);
}
