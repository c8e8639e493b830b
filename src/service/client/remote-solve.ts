// One build by a builder elsewhere, driven through its gateway as buildx drives it: a solve that waits for a result, and a gateway that
// runs the frontend and returns it. So the answers of subrequests and the definitions of contexts come back too.
// Counterpart: moby/buildkit client/{solve,build}.go, frontend/gateway/grpcclient.

import { create } from "@bufbuild/protobuf";
import { gateway, rpc } from "../../formats/proto/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { toRpcError } from "../../system/rpc/index.ts";
import type { BuildkitConnection } from "./connection.ts";
import { ofBuild } from "./connection.ts";

export interface RemoteBuild {
  /** With the session that is open, and cache places as the builder sees them. */
  readonly request: control.SolveRequest;
  readonly cacheImports: readonly Pick<control.CacheOptionsEntry, "Type" | "Attrs">[];
  readonly onStatus: (status: control.StatusResponse) => void;
  readonly signal: AbortSignal;
  /** What is not to be exported is neither returned: the frontend's result is all that is wanted. */
  readonly resultOnly: boolean;
}

export interface RemoteResult {
  readonly response: Readonly<Record<string, string>>;
  readonly result: gateway.Result | undefined;
}

/** A stream of progress that says nothing more after its build is given up. */
const STATUS_LINGER_MS = 5000;

/** @throws RpcError; `signal.reason`. */
export async function solveRemotely(connection: BuildkitConnection, build: RemoteBuild): Promise<RemoteResult> {
  const { request, signal } = build;
  const statusEnd = new AbortController();
  const watching = watch(connection, build, statusEnd.signal);
  const solveEnd = new AbortController();
  const solving = connection.control.solve(
    { ...request, Frontend: "", FrontendInputs: {}, FrontendAttrs: frontendAttributes(build), ...deprecated(request) },
    { signal: AbortSignal.any([signal, solveEnd.signal]) },
  );
  // Where the build's own call fails, the gateway's failure only follows from it.
  const failed = solving.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => {
      throw error;
    },
  );
  failed.catch(() => undefined);
  try {
    const driving = drive(connection, build);
    driving.catch(() => undefined);
    let result: gateway.Result | undefined;
    try {
      result = await Promise.race([driving, failed]);
    } catch (error) {
      // The solve tells more, and comes soon after.
      const timer = setTimeout(() => solveEnd.abort(error), STATUS_LINGER_MS);
      await solving.finally(() => clearTimeout(timer));
      throw error;
    }
    const { ExporterResponse } = await solving;
    return { response: ExporterResponse, result };
  } finally {
    const timer = setTimeout(() => statusEnd.abort(), signal.aborted ? 0 : STATUS_LINGER_MS);
    await watching;
    clearTimeout(timer);
  }
}

/** Progress, until the builder ends it. It is a courtesy: a stream that breaks breaks no build. */
async function watch({ control }: BuildkitConnection, build: RemoteBuild, signal: AbortSignal): Promise<void> {
  try {
    for await (const status of control.status({ Ref: build.request.Ref }, { signal })) build.onStatus(status);
  } catch {
    // The solve tells what went wrong.
  }
}

async function drive(connection: BuildkitConnection, build: RemoteBuild): Promise<gateway.Result | undefined> {
  const { request, signal } = build;
  const options = ofBuild(request.Ref, signal);
  await connection.gateway.ping({}, options);
  try {
    const { result } = await connection.gateway.solve(
      {
        Frontend: request.Frontend,
        FrontendOpt: frontendAttributes(build),
        FrontendInputs: request.FrontendInputs,
        allowResultReturn: true,
        allowResultArrayRef: true,
      },
      options,
    );
    await connection.gateway.return(
      { result: build.resultOnly ? create(gateway.ResultSchema) : (result ?? {}) },
      options,
    );
    return result;
  } catch (error) {
    const { code, message, details } = toRpcError(error);
    const status = create(rpc.StatusSchema, {
      code,
      message,
      details: details.map(({ typeUrl, value }) => ({ typeUrl, value })),
    });
    await connection.gateway
      .return({ error: status }, ofBuild(request.Ref, AbortSignal.timeout(STATUS_LINGER_MS)))
      .catch(() => undefined);
    throw error;
  }
}

function frontendAttributes({ request, cacheImports }: RemoteBuild): Record<string, string> {
  const imports = cacheImports.map(({ Type, Attrs }) => ({ Type, Attrs }));
  return {
    ...request.FrontendAttrs,
    ...(imports.length > 0 ? { "cache-imports": JSON.stringify(imports) } : {}),
  };
}

/** Builders before BuildKit 0.13 know one exporter. */
function deprecated({ Exporters: [first] }: control.SolveRequest) {
  return first === undefined ? {} : { ExporterDeprecated: first.Type, ExporterAttrsDeprecated: first.Attrs };
}
