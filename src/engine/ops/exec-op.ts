// RUN: a process in the tree of its inputs, whose changes are the result. Counterpart: moby/buildkit solver/llbsolver/ops/exec.go.

import type { pb } from "../../formats/proto/index.ts";
import type { Ref } from "../../storage/refs/index.ts";
import type { CacheMap, Op, OpContext, Vertex } from "../../graph/solver/index.ts";
import { canRun, cannotRun } from "../executor/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { anySession } from "./any-session.ts";
import { processFailed } from "./exec-error.ts";
import { prepareMounts } from "./exec-mounts.ts";
import { execDigest } from "./cache-digest.ts";
import { withSecrets } from "./secret-key.ts";
import type { VertexSys } from "./load.ts";
import type { OpHost } from "./op-host.ts";
import type { EngineResult } from "./results.ts";
import { missingSecret } from "./secrets.ts";

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_HOSTNAME = "buildkitsandbox";

export class ExecOp implements Op<EngineResult> {
  readonly #vertex: Vertex;
  readonly #sys: VertexSys;
  readonly #op: pb.ExecOp;
  readonly #host: OpHost;

  constructor(vertex: Vertex, op: pb.ExecOp, host: OpHost) {
    this.#vertex = vertex;
    this.#sys = vertex.sys as VertexSys;
    this.#op = op;
    this.#host = host;
  }

  async cacheMap(context: OpContext): Promise<CacheMap<EngineResult>> {
    const { digest, deps } = execDigest(this.#op, this.#sys.platform, this.#vertex.inputs.length);
    const key = await withSecrets(digest, this.#op, this.#session(context), context.signal);
    return { digest: key, deps: this.#host.depsOf(deps) };
  }

  async exec(inputs: readonly EngineResult[], context: OpContext): Promise<EngineResult[]> {
    const { refs, cacheMounts, runDir, executor } = this.#host;
    const session = this.#session(context);
    const { signal } = context;
    const meta = this.#op.meta!;
    if (!canRun(this.#sys.platform)) throw cannotRun(this.#vertex.name, this.#sys.platform);
    await using stack = new AsyncDisposableStack();
    const trees: Ref[] = [];
    for (const input of inputs) trees.push(await this.#host.asRef(input, stack, signal));
    const mounts = await prepareMounts(this.#op, trees, { refs, cacheMounts, runDir, session, signal }, stack);
    const exit = await executor().run(
      {
        args: meta.args,
        env: await this.#environment(meta, session, signal),
        cwd: meta.cwd || "/",
        user: meta.user,
        hostname: meta.hostname || DEFAULT_HOSTNAME,
        network: this.#op.network,
        security: this.#op.security,
        extraHosts: meta.extraHosts.map(({ Host, IP }) => ({ host: Host, ip: IP })),
        ulimits: meta.ulimit.map(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard })),
        resources: this.#sys.metadata.linuxResources,
        cgroupParent: meta.cgroupParent,
        rootPath: mounts.rootPath,
        rootReadOnly: mounts.rootReadOnly,
        mounts: mounts.mounts,
        removeStubsRecursive: meta.removeMountStubsRecursive,
      },
      {
        signal,
        onStdout: (chunk) => context.progress.log(1, chunk),
        onStderr: (chunk) => context.progress.log(2, chunk),
      },
    );
    const allowed = meta.validExitCodes.length > 0 ? meta.validExitCodes : [0];
    if (!allowed.includes(exit.exitCode)) throw processFailed(meta.args, exit, mounts.rootPath);
    const results = await mounts.commit(this.#vertex.name);
    return results.map((ref) => ({ kind: "ref", ref }));
  }

  #session(context: OpContext): SessionPort {
    return anySession(this.#sys.context.session, context);
  }

  async #environment(meta: pb.Meta, session: SessionPort, signal: AbortSignal): Promise<string[]> {
    const env = [...meta.env];
    if (!env.some((each) => each.startsWith("PATH="))) env.push(DEFAULT_PATH);
    const proxy = meta.proxyEnv;
    for (const [name, value] of [
      ["HTTP_PROXY", proxy?.httpProxy],
      ["HTTPS_PROXY", proxy?.httpsProxy],
      ["FTP_PROXY", proxy?.ftpProxy],
      ["NO_PROXY", proxy?.noProxy],
      ["ALL_PROXY", proxy?.allProxy],
    ] as const) {
      if (value) env.push(`${name}=${value}`, `${name.toLowerCase()}=${value}`);
    }
    for (const secret of this.#op.secretenv) {
      const bytes = await session.secret(secret.ID, signal);
      if (bytes === undefined && !secret.optional) throw missingSecret(secret.ID);
      if (bytes !== undefined) env.push(`${secret.name}=${Buffer.from(bytes).toString()}`);
    }
    return env;
  }
}
