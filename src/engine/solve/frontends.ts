// Runs what makes definitions of a request: the built-in Dockerfile frontend, a frontend image, or the client itself.
// Counterpart: moby/buildkit solver/llbsolver/bridge.go, frontend/gateway.

import { BuildError } from "../../base/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { dockerfileFrontend, isBuiltIn } from "../../frontends/dockerfile/index.ts";
import type { Frontend, FrontendRequest, FrontendResult } from "../../frontends/gateway/index.ts";
import type { Job } from "../../graph/solver/index.ts";
import type { RefStore } from "../../storage/refs/index.ts";
import type { RuntimeExecutor } from "../executor/index.ts";
import type { EngineResult, SolveContext } from "../ops/index.ts";
import type { GitSource, HttpSource, OciLayoutSource } from "../sources/index.ts";
import type { FrontendTrace } from "./attest.ts";
import { definitionResult } from "./definition-result.ts";
import { runFrontendImage } from "./frontend-image.ts";
import { EngineGateway } from "./gateway.ts";
import type { ProgressStream } from "./progress-stream.ts";
import type { ImageResolver } from "./stand-in.ts";

export interface FrontendsOptions {
  readonly images: ImageResolver;
  readonly layouts: OciLayoutSource;
  readonly web: HttpSource;
  readonly git: GitSource;
  readonly refs: RefStore;
  /** Platforms whose frontend images run here. */
  readonly platforms: () => readonly Platform[];
  /** Asked for once a frontend image is to run. */
  readonly executor: () => RuntimeExecutor;
  /** Refuses frontends that may not run here, by throwing. */
  readonly checkFrontend: ((request: FrontendRequest) => void) | undefined;
}

/** What the frontends of one build share. */
export interface FrontendBuild {
  readonly job: Job<EngineResult>;
  readonly context: SolveContext;
  readonly progress: ProgressStream;
  readonly trace: FrontendTrace;
  readonly ready?: () => Promise<unknown>;
}

export class Frontends {
  readonly #o: FrontendsOptions;

  constructor(options: FrontendsOptions) {
    this.#o = options;
  }

  /** What a request's frontend makes of it; `frontend` runs in its stead. @throws UNSUPPORTED; what frontends throw. */
  run(
    request: control.SolveRequest,
    build: FrontendBuild,
    { frontend, signal }: { readonly frontend?: Frontend | undefined; readonly signal: AbortSignal },
  ): Promise<FrontendResult> {
    const { Frontend: name, FrontendAttrs: options, FrontendInputs: inputs } = request;
    const asked = { frontend: name, options, inputs };
    if (frontend !== undefined) return frontend(this.#gateway(asked, build), signal);
    if (name === "") return definitionResult(request, this.#gateway(asked, build), signal);
    return this.#run(asked, build, signal);
  }

  #gateway({ options, inputs }: FrontendRequest, build: FrontendBuild): EngineGateway {
    const { images, layouts, web, git, refs, checkFrontend } = this.#o;
    return new EngineGateway({
      ...build,
      options,
      inputs,
      platforms: [build.context.platform],
      images,
      layouts,
      web,
      git,
      refs,
      checkFrontend,
      runFrontend: (request, signal) => this.#run(request, build, signal),
    });
  }

  async #run(request: FrontendRequest, build: FrontendBuild, signal: AbortSignal): Promise<FrontendResult> {
    const { frontend, options } = request;
    this.#o.checkFrontend?.(request);
    const source = options["source"] ?? "";
    if (frontend === "gateway.v0" && !isBuiltIn(source)) {
      build.trace.requests.push(request);
      const { job, context, progress } = build;
      const gateway = this.#gateway(request, build);
      const { refs } = this.#o;
      const [platforms, executor] = [this.#o.platforms(), this.#o.executor()];
      return runFrontendImage({ source, gateway, platforms, job, context, progress, refs, executor }, signal);
    }
    if (frontend !== "gateway.v0" && frontend !== "dockerfile.v0") {
      throw new BuildError(`frontend ${JSON.stringify(frontend)} is not supported by this builder yet`, {
        code: "UNSUPPORTED",
        status: "Unimplemented",
      });
    }
    // Provenance tells what ran: images of the Dockerfile frontend are served by the built-in one.
    build.trace.requests.push({ ...request, frontend: "dockerfile.v0" });
    return dockerfileFrontend(this.#gateway(request, build), signal);
  }
}
