// Which op does a vertex. Counterpart: moby/buildkit worker/base/worker.go ResolveOp.

import { BuildError } from "../../base/index.ts";
import type { OpResolver } from "../../graph/solver/index.ts";
import { DiffOp } from "./diff-op.ts";
import { ExecOp } from "./exec-op.ts";
import { FileOp } from "./file-op.ts";
import type { VertexSys } from "./load.ts";
import { MergeOp } from "./merge-op.ts";
import type { OpHost } from "./op-host.ts";
import type { EngineResult } from "./results.ts";
import { sourceOp } from "./source-op.ts";
import type { SourceHost } from "./source-op.ts";

/** @throws UNSUPPORTED for ops that this engine does not have. */
export function opResolver(host: OpHost, sources: SourceHost): OpResolver<EngineResult> {
  return (vertex) => {
    const { op } = (vertex.sys as VertexSys).op;
    switch (op.case) {
      case "source":
        return sourceOp(vertex, op.value, sources);
      case "exec":
        return new ExecOp(vertex, op.value, host);
      case "file":
        return new FileOp(vertex, op.value, host);
      case "merge":
        return new MergeOp(vertex, op.value, host);
      case "diff":
        return new DiffOp(vertex, op.value, host);
      default:
        throw new BuildError(`ops of kind ${op.case ?? "none"} are not supported by this builder yet`, {
          code: "UNSUPPORTED",
          status: "Unimplemented",
        });
    }
  };
}
