// COPY, ADD of local files, WORKDIR and their kin: actions on trees. A run of actions, each on the result of the one before, works
// on one writable tree and makes one layer. Counterpart: moby/buildkit solver/llbsolver/ops/file.go FileOpSolver.

import { BuildError } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import type { CacheMap, Op, OpContext, Vertex } from "../../graph/solver/index.ts";
import type { Ref } from "../../storage/refs/index.ts";
import type { SourceSpec } from "../sources/index.ts";
import { fileDigest } from "./cache-digest.ts";
import type { FileAction, FileActionsInput } from "./file-actions.ts";
import type { OwnerId, OwnerSpec } from "./file-owner.ts";
import type { OpHost } from "./op-host.ts";
import type { EngineResult } from "./results.ts";

export class FileOp implements Op<EngineResult> {
  readonly #vertex: Vertex;
  readonly #op: pb.FileOp;
  readonly #host: OpHost;

  constructor(vertex: Vertex, op: pb.FileOp, host: OpHost) {
    this.#vertex = vertex;
    this.#op = op;
    this.#host = host;
  }

  cacheMap(): Promise<CacheMap<EngineResult>> {
    const { digest, deps } = fileDigest(this.#op, this.#vertex.inputs.length);
    return Promise.resolve({ digest, deps: this.#host.depsOf(deps) });
  }

  async exec(inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    await using stack = new AsyncDisposableStack();
    const run = new FileOpRun(this.#op, inputs, this.#host, { stack, signal: context.signal, name: this.#vertex.name });
    return await run.outputs();
  }
}

interface RunScope {
  readonly stack: AsyncDisposableStack;
  readonly signal: AbortSignal;
  readonly name: string;
}

class FileOpRun {
  readonly #op: pb.FileOp;
  readonly #inputs: readonly EngineResult[];
  readonly #host: OpHost;
  readonly #scope: RunScope;
  readonly #made = new Map<number, Promise<Ref>>();

  constructor(op: pb.FileOp, inputs: readonly EngineResult[], host: OpHost, scope: RunScope) {
    this.#op = op;
    this.#inputs = inputs;
    this.#host = host;
    this.#scope = scope;
  }

  async outputs(): Promise<EngineResult[]> {
    const outputs: EngineResult[] = [];
    for (const [at, action] of this.#op.actions.entries()) {
      if (action.output < 0n) continue;
      const ref = await this.#result(this.#inputs.length + at);
      outputs[Number(action.output)] = { kind: "ref", ref: this.#host.refs.hold(ref) };
    }
    for (let index = 0; index < outputs.length; index++) {
      if (outputs[index] === undefined) throw invalid(`missing output index ${index}`);
    }
    if (outputs.length === 0) throw invalid("no outputs specified");
    return outputs;
  }

  /** The tree at an index: an input, or the result of an action, which is then a layer of its own. */
  #result(index: number): Promise<Ref> {
    let made = this.#made.get(index);
    if (made === undefined) this.#made.set(index, (made = this.#make(index)));
    return made;
  }

  async #make(index: number): Promise<Ref> {
    const { stack, signal, name } = this.#scope;
    const input = this.#inputs[index];
    if (input !== undefined) return this.#host.asRef(input, stack, signal);
    const chain = this.#chainTo(index);
    const base = Number(this.#action(chain[0]!).input);
    const parent = base < 0 ? this.#scratch() : await this.#result(base);
    await using mutable = await this.#host.refs.mutable(parent, signal);
    const sources: SourceSpec[] = [];
    const actions: FileAction[] = [];
    for (const at of chain) actions.push(await this.#plan(this.#action(at), sources));
    const job: FileActionsInput = { destRoot: mutable.path, actions, sources };
    await this.#host.runFileActions(job, signal);
    const ref = await mutable.commit({ description: name });
    stack.defer(() => this.#host.refs.release(ref));
    return ref;
  }

  /** The actions that lead to `index` on one tree: back to an input, scratch, or a result that somebody else reads too. */
  #chainTo(index: number): number[] {
    const chain = [index];
    for (;;) {
      if (chain.length > this.#op.actions.length) throw invalid(`loop from index ${index}`);
      const input = Number(this.#action(chain[0]!).input);
      if (input < this.#inputs.length || this.#readers(input) > 1) return chain;
      chain.unshift(input);
    }
  }

  #readers(index: number): number {
    const own = this.#action(index).output >= 0n ? 1 : 0;
    const reads = this.#op.actions.flatMap(({ input, secondaryInput }) => [Number(input), Number(secondaryInput)]);
    return own + reads.filter((each) => each === index).length;
  }

  #action(index: number): pb.FileAction {
    const action = this.#op.actions[index - this.#inputs.length];
    if (action === undefined) throw invalid(`invalid input index ${index}`);
    return action;
  }

  #scratch(): Ref {
    const ref = this.#host.refs.scratch();
    this.#scope.stack.defer(() => this.#host.refs.release(ref));
    return ref;
  }

  async #plan({ action, secondaryInput }: pb.FileAction, sources: SourceSpec[]): Promise<FileAction> {
    switch (action.case) {
      case "mkdir": {
        const { path, mode, makeParents } = action.value;
        return { kind: "mkdir", path, mode: mode & 0o7777, makeParents, ...(await this.#common(action.value)) };
      }
      case "mkfile": {
        const { path, mode, data } = action.value;
        return { kind: "mkfile", path, mode: mode & 0o7777, data, ...(await this.#common(action.value)) };
      }
      case "symlink":
        return {
          kind: "symlink",
          oldPath: action.value.oldpath,
          newPath: action.value.newpath,
          ...(await this.#common(action.value)),
        };
      case "rm":
        return {
          kind: "rm",
          path: action.value.path,
          allowNotFound: action.value.allowNotFound,
          allowWildcard: action.value.allowWildcard,
        };
      case "copy": {
        const copy = action.value;
        const source = sources.push(await this.#source(Number(secondaryInput))) - 1;
        return {
          kind: "copy",
          source,
          src: copy.src,
          dest: copy.dest,
          ...(copy.mode === -1 || copy.modeStr !== "" ? {} : { mode: copy.mode & 0o7777 }),
          ...(copy.modeStr === "" ? {} : { modeStr: copy.modeStr }),
          followSymlink: copy.followSymlink,
          dirCopyContents: copy.dirCopyContents,
          attemptUnpack: copy.attemptUnpackDockerCompatibility,
          createDestPath: copy.createDestPath,
          allowWildcard: copy.allowWildcard,
          allowEmptyWildcard: copy.allowEmptyWildcard,
          includePatterns: copy.includePatterns,
          excludePatterns: copy.excludePatterns,
          alwaysReplaceExistingDestPaths: copy.alwaysReplaceExistingDestPaths,
          ...(await this.#common(copy)),
        };
      }
      default:
        throw invalid("unknown file action");
    }
  }

  /** A local folder is read in place; layers are mounted while the op runs. */
  async #source(index: number): Promise<SourceSpec> {
    const { stack, signal } = this.#scope;
    const input = index < 0 ? undefined : this.#inputs[index];
    if (input?.kind === "local") return input.folder.source;
    const ref = index < 0 ? this.#scratch() : await this.#result(index);
    const view = stack.use(await this.#host.refs.view(ref, signal));
    return { root: view.path };
  }

  async #common(value: { readonly owner?: pb.ChownOpt | undefined; readonly timestamp: bigint }) {
    const owner = value.owner === undefined ? undefined : await this.#owner(value.owner);
    return {
      ...(owner === undefined ? {} : { owner }),
      ...(value.timestamp === -1n ? {} : { timestampNs: value.timestamp }),
    };
  }

  async #owner({ user, group }: pb.ChownOpt): Promise<OwnerSpec> {
    const [userId, groupId] = [await this.#ownerId(user), await this.#ownerId(group)];
    return { ...(userId === undefined ? {} : { user: userId }), ...(groupId === undefined ? {} : { group: groupId }) };
  }

  async #ownerId(option: pb.UserOpt | undefined): Promise<OwnerId | undefined> {
    if (option === undefined || option.user.case === undefined) return undefined;
    if (option.user.case === "byID") return { kind: "id", id: option.user.value };
    const { name, input } = option.user.value;
    const root = Number(input) < 0 ? undefined : (await this.#source(Number(input))).root;
    return { kind: "name", name, root };
  }
}

function invalid(message: string): BuildError {
  return new BuildError(message, { code: "INVALID_LLB", status: "InvalidArgument" });
}
