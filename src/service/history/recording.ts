// Writes one build's record, from its start to its end. Internal builds have none; nor have questions that a frontend answers.
// Counterpart: moby/buildkit solver/llbsolver/solver.go recordBuildHistory.

import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AnySchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { redact } from "../../base/index.ts";
import { control, rpc } from "../../formats/proto/index.ts";
import type { MadeProvenance } from "../../engine/index.ts";
import type { RpcError } from "../../system/rpc/index.ts";
import type { BuildLog } from "./build-log.ts";
import type { BuildHistory } from "./history.ts";

type Facts = MessageInitShape<typeof control.BuildHistoryRecordSchema>;

export class BuildRecording {
  readonly #history: BuildHistory | undefined;
  readonly #build: BuildLog;
  readonly #results = new Map<string, control.BuildResultInfo>();

  constructor(history: BuildHistory, request: control.SolveRequest, build: BuildLog) {
    this.#build = build;
    this.#history = request.Internal ? undefined : history;
    this.#history?.start({
      Ref: request.Ref,
      Frontend: request.Frontend,
      FrontendAttrs: withoutSecrets(request.FrontendAttrs),
      Exporters: request.Exporters,
      CreatedAt: timestampFromMs(build.startedMs),
    });
  }

  /** Notes where a result comes from. */
  provenance({ platform, predicateType, predicate }: MadeProvenance): void {
    const digest = this.#history?.addBlob(predicate);
    if (digest === undefined) return;
    const annotations = { "in-toto.io/predicate-type": predicateType };
    const mediaType = "application/vnd.in-toto+json";
    const blob = create(control.DescriptorSchema, {
      mediaType,
      digest,
      size: BigInt(predicate.byteLength),
      annotations,
    });
    this.#results.set(platform, create(control.BuildResultInfoSchema, { Attestations: [blob] }));
  }

  complete(response: Readonly<Record<string, string>>): void {
    const Result = this.#results.get("");
    const Results = Object.fromEntries([...this.#results].filter(([platform]) => platform !== ""));
    this.#end({ ExporterResponse: { ...response }, Results, ...(Result === undefined ? {} : { Result }) });
  }

  fail(error: RpcError): void {
    const status = create(rpc.StatusSchema, {
      code: error.code,
      message: error.message,
      details: error.details.map(({ typeUrl, value }) => create(AnySchema, { typeUrl, value })),
    });
    const whole = toBinary(rpc.StatusSchema, status);
    const digest = this.#history?.addBlob(whole);
    this.#end({
      error: create(rpc.StatusSchema, { code: error.code, message: error.message }),
      ...(digest === undefined
        ? {}
        : {
            externalError: {
              mediaType: "application/vnd.googleapis.google.rpc.status+proto",
              digest,
              size: BigInt(whole.byteLength),
            },
          }),
    });
  }

  #end(facts: Facts): void {
    const digest = this.#build.end();
    const { total, completed, cached, warnings } = this.#build.counts;
    this.#history?.complete(
      this.#build.ref,
      {
        ...facts,
        numTotalSteps: total,
        numCompletedSteps: completed,
        numCachedSteps: cached,
        numWarnings: warnings,
      },
      { file: this.#build.log.path, digest, size: this.#build.log.size },
    );
  }
}

/** A token may stand in a context's address. */
function withoutSecrets(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, redact(value)]));
}
