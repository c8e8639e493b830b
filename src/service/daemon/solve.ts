// One Solve of the Control service: what a client asks for is made into a request of today's form, its session is waited for, and the
// engine builds. A request without frontend and definition is driven by its client through the gateway.
// Counterpart: moby/buildkit control/control.go Solve, solver/llbsolver/solver.go.

import { create } from "@bufbuild/protobuf";
import { BuildError } from "../../base/index.ts";
import type { Engine, EngineSolveOptions, SessionPort } from "../../engine/index.ts";
import { control } from "../../formats/proto/index.ts";
import type { worker } from "../../formats/proto/index.ts";
import { LlbBridge } from "../../frontends/gateway/index.ts";
import type { Frontend } from "../../frontends/gateway/index.ts";
import { RemoteSession } from "../session/index.ts";
import type { RemoteSessionHost } from "../session/index.ts";
import type { Builds, RunningBuild } from "./builds.ts";
import { returnedError } from "../../system/rpc/index.ts";

export interface SolveHost {
  readonly engine: Engine;
  readonly builds: Builds;
  readonly sessions: RemoteSessionHost;
  readonly workers: () => readonly worker.WorkerRecord[];
  /** What the daemon lets builds ask for. */
  readonly entitlements: ReadonlySet<string>;
}

/** Runs a request to its end. @throws BUILD_EXISTS, SESSION_UNKNOWN, ENTITLEMENT_DENIED, and what the build fails with. */
export async function runSolve(
  host: SolveHost,
  received: control.SolveRequest,
  build: RunningBuild,
  { signal, onProvenance }: Pick<EngineSolveOptions, "signal" | "onProvenance">,
): Promise<Record<string, string>> {
  const request = modernize(received);
  checkEntitlements(request, host.entitlements);
  const connection = request.Session === "" ? undefined : await host.sessions.sessions.get(request.Session, signal);
  const stop = connection === undefined ? signal : AbortSignal.any([signal, connection.signal]);
  await using remote = connection === undefined ? undefined : new RemoteSession(host.sessions, connection, request);
  const isDriven = request.Frontend === "" && (request.Definition?.def.length ?? 0) === 0;
  return await host.engine.solve(request, remote ?? noSession(request.Ref), {
    onStatus: (status) => build.tell(status),
    signal: stop,
    onProvenance,
    ...(isDriven ? { frontend: drivenBy(build, host) } : {}),
  });
}

/** A frontend that is the build's own client. */
function drivenBy(build: RunningBuild, host: SolveHost): Frontend {
  return (client, signal) => {
    const bridge = new LlbBridge(client, signal, { workers: host.workers(), returnedError });
    build.bridge.resolve(bridge);
    return bridge.result;
  };
}

/** Fields that older clients use are read as those that took their place. */
function modernize(received: control.SolveRequest): control.SolveRequest {
  const exporters =
    received.Exporters.length > 0 || received.ExporterDeprecated === ""
      ? received.Exporters
      : [
          create(control.ExporterSchema, {
            Type: received.ExporterDeprecated,
            Attrs: received.ExporterAttrsDeprecated,
          }),
        ];
  const epoch = received.FrontendAttrs["build-arg:SOURCE_DATE_EPOCH"];
  for (const exporter of exporters) {
    if (epoch !== undefined && epoch !== "") exporter.Attrs["source-date-epoch"] ??= epoch;
    // Buildx's note to itself.
    delete exporter.Attrs["prefer-image-digest"];
    // As with buildkitd, an image that goes nowhere is in the cache alone: its clients have no way to remove kept ones.
    if (exporter.Type === "image") exporter.Attrs["store"] ??= "false";
  }
  const cache = received.Cache ?? create(control.CacheOptionsSchema);
  const exports = [...cache.Exports];
  if (cache.ExportRefDeprecated !== "") {
    const Attrs = { ...cache.ExportAttrsDeprecated, ref: cache.ExportRefDeprecated };
    exports.push(create(control.CacheOptionsEntrySchema, { Type: "registry", Attrs }));
  }
  const imports = [
    ...cache.Imports,
    ...cache.ImportRefsDeprecated.map((ref) =>
      create(control.CacheOptionsEntrySchema, { Type: "registry", Attrs: { ref } }),
    ),
    ...importsOf(received.FrontendAttrs["cache-imports"]),
  ];
  return create(control.SolveRequestSchema, {
    ...received,
    Exporters: exporters,
    Cache: create(control.CacheOptionsSchema, { Exports: exports, Imports: distinct(imports) }),
  });
}

/** Clients that drive their builds hand the caches to read to the frontend. */
function importsOf(attribute: string | undefined): control.CacheOptionsEntry[] {
  if (attribute === undefined || attribute === "") return [];
  try {
    const list = JSON.parse(attribute) as unknown;
    if (Array.isArray(list)) {
      return list.map((each: { Type?: unknown; Attrs?: Record<string, string> }) =>
        create(control.CacheOptionsEntrySchema, { Type: String(each.Type), Attrs: { ...each.Attrs } }),
      );
    }
  } catch (error) {
    throw badImports(attribute, error);
  }
  throw badImports(attribute);
}

function badImports(attribute: string, cause?: unknown): BuildError {
  return new BuildError(`cache-imports is no list of caches: ${attribute.slice(0, 200)}`, {
    code: "INVALID_REQUEST",
    status: "InvalidArgument",
    cause,
  });
}

function distinct(entries: readonly control.CacheOptionsEntry[]): control.CacheOptionsEntry[] {
  const seen = new Map<string, control.CacheOptionsEntry>();
  for (const entry of entries) {
    const attributes = Object.entries(entry.Attrs).toSorted(([one], [two]) => (one < two ? -1 : 1));
    const key = JSON.stringify([entry.Type, attributes]);
    if (!seen.has(key)) seen.set(key, entry);
  }
  return [...seen.values()];
}

function checkEntitlements({ Entitlements }: control.SolveRequest, allowed: ReadonlySet<string>): void {
  for (const each of Entitlements) {
    if (allowed.has(each)) continue;
    throw new BuildError(`${each} is not allowed`, {
      code: "ENTITLEMENT_DENIED",
      status: "PermissionDenied",
      hint: `the daemon must be started with --allow-insecure-entitlement ${each}`,
    });
  }
}

/** A request without a session has nothing but what the web and registries have. */
function noSession(ref: string): SessionPort {
  return {
    id: `none-${ref}`,
    localDir: () => Promise.resolve(undefined),
    ociStore: () => undefined,
    cacheStore: () => undefined,
    secret: () => Promise.resolve(undefined),
    sshAgent: () => Promise.resolve(undefined),
    output: () => undefined,
  };
}
