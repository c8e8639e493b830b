// From a definition's ops to the solver's vertexes. Counterpart: moby/buildkit solver/llbsolver/vertex.go.

import { BuildError } from "../../base/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { pb } from "../../formats/proto/index.ts";
import { decodeDefinition, platformFromPb } from "../../graph/llb/index.ts";
import type { DecodedOp } from "../../graph/llb/index.ts";
import type { Edge, Vertex } from "../../graph/solver/index.ts";
import type { SolveContext } from "./context.ts";

/** Far beyond what frontends emit; more would keep other builds waiting for seconds. */
const MAX_OPS = 25_000;

/** What a vertex carries for the engine. */
export interface VertexSys {
  readonly op: pb.Op;
  readonly metadata: pb.OpMetadata;
  readonly platform: Platform;
  readonly context: SolveContext;
}

/**
 * The edge that a definition's result is; undefined for scratch. Where each vertex comes from in the user's files is noted in the
 * context. @throws INVALID_DEFINITION; NOT_ALLOWED when an op needs what the build did not allow.
 */
export function loadDefinition(definition: pb.Definition, context: SolveContext): Edge | undefined {
  if (definition.def.length > MAX_OPS) {
    throw new BuildError(`a definition of ${definition.def.length} ops is too large: at most ${MAX_OPS}`, {
      code: "INVALID_DEFINITION",
      status: "InvalidArgument",
    });
  }
  const { ops, head, sourceMap } = decodeDefinition(definition);
  if (head === undefined) return undefined;
  if (sourceMap !== undefined) context.sources.add(sourceMap, usersOf(ops));
  const vertexes = new Map<string, Vertex>();
  for (const decoded of ops) {
    checkAllowed(decoded.op, context.entitlements);
    vertexes.set(decoded.digest, makeVertex(decoded, vertexes, context));
  }
  const vertex = vertexes.get(head.digest);
  if (vertex === undefined) throw new Error(`definition without its head ${head.digest}`);
  return { vertex, index: head.index };
}

/** The digests of the ops that read each op. */
function usersOf(ops: readonly DecodedOp[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { op, digest } of ops) {
    for (const input of op.inputs) {
      const list = users.get(input.digest);
      if (list === undefined) users.set(input.digest, [digest]);
      else list.push(digest);
    }
  }
  return users;
}

function makeVertex(decoded: DecodedOp, known: ReadonlyMap<string, Vertex>, context: SolveContext): Vertex {
  const { op, metadata, digest } = decoded;
  const inputs = op.inputs.map((input) => ({ vertex: known.get(input.digest)!, index: Number(input.index) }));
  const group = metadata.progressGroup;
  // A folder that names no session is that of whoever asks, and so is all that is made of it.
  const isAskers = op.op.case === "source" && isUnnamedLocal(op.op.value);
  const scope = isAskers || inputs.some(({ vertex }) => vertex.scope !== undefined) ? context.session.id : undefined;
  const sys: VertexSys = {
    op,
    metadata,
    platform: op.platform === undefined ? context.platform : platformFromPb(op.platform),
    context,
  };
  return {
    digest,
    inputs,
    sys,
    ...(scope === undefined ? {} : { scope }),
    name: metadata.description["llb.customname"] ?? nameOf(op, inputs),
    options: {
      ignoreCache: metadata.ignoreCache,
      description: metadata.description,
      ...(group === undefined ? {} : { progressGroup: { id: group.id, name: group.name, weak: group.weak } }),
    },
  };
}

function isUnnamedLocal({ identifier, attrs }: pb.SourceOp): boolean {
  return identifier.startsWith("local://") && attrs["local.session"] === undefined;
}

function nameOf(op: pb.Op, inputs: readonly Edge[]): string {
  const { op: choice } = op;
  switch (choice.case) {
    case "source":
      return choice.value.identifier;
    case "exec":
      return choice.value.meta?.args.join(" ") ?? "exec";
    case "file":
      return choice.value.actions.map(actionName).join(", ");
    case "merge":
      return `merge (${inputs.map((input) => input.vertex.name).join(", ")})`;
    case "diff":
      return `diff ${inputs.map((input) => `(${input.vertex.name})`).join(" -> ")}`;
    case "build":
      return "build";
    case "passthrough":
      return `passthrough ${choice.value.id}`;
    default:
      return "unknown";
  }
}

function actionName({ action }: pb.FileAction): string {
  switch (action.case) {
    case "mkdir":
    case "mkfile":
    case "rm":
      return `${action.case} ${action.value.path}`;
    case "symlink":
      return `symlink ${action.value.newpath} -> ${action.value.oldpath}`;
    case "copy":
      return `copy ${action.value.src} ${action.value.dest}`;
    default:
      return "nothing";
  }
}

function checkAllowed(op: pb.Op, allowed: ReadonlySet<string>): void {
  if (op.op.case !== "exec") return;
  const needs = [
    ...(op.op.value.network === pb.NetMode.HOST ? ["network.host"] : []),
    ...(op.op.value.security === pb.SecurityMode.INSECURE ? ["security.insecure"] : []),
  ];
  for (const need of needs) {
    if (allowed.has(need)) continue;
    throw new BuildError(`${need} is not allowed`, {
      code: "NOT_ALLOWED",
      status: "PermissionDenied",
      hint: `allow it for this build with --allow ${need}`,
    });
  }
  if (op.op.value.cdiDevices.length > 0) {
    throw new BuildError("devices in RUN steps are not supported by this builder", {
      code: "UNSUPPORTED",
      status: "Unimplemented",
    });
  }
}
