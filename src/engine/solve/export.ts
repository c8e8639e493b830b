// From built results to outputs: each requested exporter gets the same source, all run side by side, and what layers have to become
// is worked out once however many ask. Counterpart: moby/buildkit solver/llbsolver/solver.go runExporters.

import { BuildError, TaskScope, digestOf } from "../../base/index.ts";
import type { control } from "../../formats/proto/index.ts";
import type { FrontendResult, PlatformResult } from "../../frontends/gateway/index.ts";
import type { Edge } from "../../graph/solver/index.ts";
import type { PackOptions, Ref, RefStore } from "../../storage/refs/index.ts";
import { repositoriesOf } from "../sources/index.ts";
import { parseImageConfig } from "../../formats/oci/index.ts";
import { createExporter } from "../exporters/index.ts";
import type { Attestation, ExportContext, ExportPlatform, ExportSource, LayerBlob } from "../exporters/index.ts";
import type { EngineResult } from "../ops/index.ts";
import type { SessionPort } from "../ports/index.ts";
import type { Engine } from "./engine.ts";
import type { ProgressStream } from "./progress-stream.ts";

/** A platform's build and what came of it; undefined for scratch. */
export interface BuiltPlatform {
  readonly build: PlatformResult;
  readonly result: EngineResult | undefined;
  /** Ids of its cache keys. */
  readonly ids: ReadonlySet<string>;
  /** What was built; undefined for scratch. */
  readonly edge: Edge | undefined;
  /** Results of the build's attestations, in their order. */
  readonly attestations: readonly (EngineResult | undefined)[];
}

export interface ExportRun {
  readonly request: control.SolveRequest;
  readonly session: SessionPort;
  readonly result: FrontendResult;
  readonly built: readonly BuiltPlatform[];
  readonly engine: Engine;
  /** Says what is to be said of each platform. */
  readonly attest: (built: BuiltPlatform, ref: Ref) => Promise<readonly Attestation[]>;
  readonly progress: ProgressStream;
  /** Makes the inline cache of an image, where one is wanted. */
  readonly inlineCache:
    | ((ids: ReadonlySet<string>, ref: Ref, blobs: readonly LayerBlob[]) => string | undefined)
    | undefined;
  readonly signal: AbortSignal;
}

/** Runs every exporter of the request; resolves with all that they report. The first failure stops the others. */
export async function runExporters(run: ExportRun): Promise<Record<string, string>> {
  const { request, session, engine, progress, signal } = run;
  const exporters = request.Exporters.map(({ Type, Attrs }) => createExporter(Type, Attrs));
  if (exporters.length === 0) return {};
  const { content, images } = engine.store;
  await using stack = new AsyncDisposableStack();
  const source = await exportSource(run, stack);
  const response: Record<string, string> = {};
  await using scope = new TaskScope(signal);
  for (const [index, exporter] of exporters.entries()) {
    scope.run(async (inner) => {
      const step = progress.internal(digestOf(`export ${request.Ref} ${session.id} ${index}`), exporter.name);
      const context: ExportContext = {
        content,
        images,
        jobs: engine.workers,
        pusher: (domain, insecure) => engine.pusher(domain, insecure),
        progress: (id, update) => step.status(id, update),
        warn: (text) => progress.warn(step.digest, { level: 1, short: text, detail: [], url: "" }),
        signal: inner,
      };
      try {
        Object.assign(response, await exporter.export(source, session.output(index), context));
        step.completed();
      } catch (error) {
        step.completed(error);
        throw error;
      }
    });
  }
  await scope.join();
  return response;
}

async function exportSource(run: ExportRun, stack: AsyncDisposableStack): Promise<ExportSource> {
  const platforms: ExportPlatform[] = [];
  for (const built of run.built) {
    const { build, result, ids } = built;
    const ref = await layersOf(result, run, stack);
    const attestations = await run.attest(built, ref);
    const platform = { ...exportPlatform(build, ref, run, stack), attestations };
    const inlineCache = run.inlineCache?.bind(undefined, ids, ref);
    platforms.push({ ...platform, ...(inlineCache === undefined ? {} : { inlineCache }) });
  }
  const epoch = run.result.builds.find((build) => build.epoch !== undefined)?.epoch;
  return {
    platforms,
    multiPlatform: run.result.multiPlatform,
    metadata: Object.fromEntries(run.result.metadata),
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  };
}

async function layersOf(result: EngineResult | undefined, run: ExportRun, stack: AsyncDisposableStack): Promise<Ref> {
  const { refs } = run.engine.store;
  if (result?.kind === "ref") return result.ref;
  if (result === undefined) {
    const scratch = refs.scratch();
    stack.defer(() => refs.release(scratch));
    return scratch;
  }
  throw new BuildError("the result of a build can't be a local folder itself", {
    code: "INVALID_LLB",
    status: "InvalidArgument",
  });
}

function exportPlatform(build: PlatformResult, ref: Ref, run: ExportRun, stack: AsyncDisposableStack): ExportPlatform {
  const { refs } = run.engine.store;
  const optionsOf = layerOptions(refs, ref, build.baseConfig);
  return {
    key: build.key,
    platform: build.platform,
    config: build.config,
    refOf: (blobs) => {
      if (blobs.every(({ diffId }, at) => refs.rows.layer(ref.layers[at]!)?.diffId === diffId)) return ref.id;
      const own = refs.fromImage(blobs, undefined, { description: "exported image" });
      stack.defer(() => refs.release(own));
      return own.id;
    },
    layers: {
      blobs: (options, signal, onBlob) => {
        const of = optionsOf(options);
        return Promise.all(
          ref.layers.map(async (layer, at) => {
            const packed = await refs.forms.blob(layer, of(at), signal);
            const { descriptor, diffId, createdMs, remote, isFresh = false } = packed;
            const createdAt = new Date(createdMs).toISOString();
            const repositories = remote === undefined ? [] : repositoriesOf(remote);
            const blob: LayerBlob = { descriptor, diffId, createdAt, repositories, isFresh };
            onBlob?.(blob, at);
            return blob;
          }),
        );
      },
      bring: async (index, options, signal) => {
        await refs.forms.blob(ref.layers[index]!, { ...optionsOf(options)(index), bytes: true }, signal);
      },
      tar: (index, options, signal) => refs.forms.tar(ref.layers[index]!, options, signal),
    },
    ...(build.baseConfig === undefined ? {} : { baseConfig: build.baseConfig }),
    ...(build.epoch === undefined ? {} : { sourceDateEpoch: build.epoch }),
    openTree: () => refs.view(ref, run.signal),
  };
}

/**
 * How each layer of a ref is packed: the base image's own layers, as far as the result begins with them, are never rewritten.
 * Counterpart: moby/buildkit exporter/containerimage/writer.go rewriteRemoteWithEpoch.
 */
function layerOptions(
  refs: RefStore,
  ref: Ref,
  baseConfig: Uint8Array | undefined,
): (options: PackOptions) => (at: number) => PackOptions {
  return (options) => {
    if (options.rewriteSeconds === undefined) return () => options;
    const base =
      baseConfig === undefined || baseConfig.length === 0 ? [] : parseImageConfig(baseConfig).rootfs.diff_ids;
    const own = ref.layers.findIndex(
      (layer, at) => refs.rows.layer(layer)?.diffId !== base[at] || base[at] === undefined,
    );
    const { rewriteSeconds: _, ...plain } = options;
    return (at) => (own === -1 || at < own ? plain : options);
  };
}
