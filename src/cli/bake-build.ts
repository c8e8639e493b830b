// Builds the targets of a bake: one builder and one display, every target at once, shared steps once. A target that others need as a
// context is converted, not built: its steps run as part of theirs. Counterpart: docker/buildx build/build.go Build.

import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { digestOf } from "../base/index.ts";
import { formatAllPlatform, hostPlatform, normalizePlatform } from "../formats/oci/index.ts";
import type { control } from "../formats/proto/index.ts";
import { printDefinition } from "../frontends/bake/index.ts";
import type { Resolved, Target } from "../frontends/bake/index.ts";
import type { Builder, ExporterResponse } from "../service/builders/index.ts";
import { openLocalSession } from "../service/session/index.ts";
import { dockerfilePath } from "./bake-checks.ts";
import { findLinks } from "./bake-links.ts";
import { bakeMetadata, reportFailures, targetReport } from "./bake-report.ts";
import { BakeSession } from "./bake-session.ts";
import { prefixed } from "./bake-status.ts";
import { buildWords } from "./bake-words.ts";
import { build } from "./build.ts";
import { findInputs } from "./build-inputs.ts";
import { writeWhole } from "./build-report.ts";
import { buildRequest, refuseLaterFeatures } from "./build-request.ts";
import { displayModeOf, isExample, newRef } from "./build-run.ts";
import { entitlements, sessionSources } from "./build-values.ts";
import type { Invocation, Shell } from "./command.ts";
import { callOf, type Call } from "./call.ts";
import { printAnswers, type PrintedDefinition } from "./bake-call.ts";
import { Failure } from "./error.ts";
import { parseFlags, type FlagValues } from "./flags.ts";
import { parseOutput, resolveOutputs, type ResolvedOutput } from "./outputs.ts";
import { proxyBuildArgs } from "./proxy-config.ts";
import { underDisplay, type DisplayedWork } from "./under-display.ts";
import { vcsAttributes } from "./vcs.ts";

/** A target ready to be built. */
export interface PreparedTarget {
  readonly name: string;
  readonly flags: FlagValues;
  readonly outputs: readonly ResolvedOutput[];
  readonly session: BakeSession;
  readonly request: control.SolveRequest;
  /** Contexts that are other targets. */
  readonly links: ReadonlyMap<string, string>;
  readonly isExample: boolean;
  /** A question instead of a build. */
  readonly call: Call | undefined;
  /** What the user calls the Dockerfile; undefined for one that stands in the definition. */
  readonly dockerfile: string | undefined;
}

/** Resolves with the exit code. @throws Failure for what is wrong before anything is built. */
export async function buildTargets(invocation: Invocation, resolved: Resolved): Promise<number> {
  const { targets } = resolved;
  const { flags, shell } = invocation;
  const mode = displayModeOf(invocation);
  await using cleanup = new AsyncDisposableStack();
  const prepared = await Failure.wrap("failed to build", () => prepare(invocation, targets, cleanup));
  const wanted = [...prepared.values()].filter(({ name }) => targets.get(name)?.linked !== true);
  const builder = cleanup.use(
    await shell.openBuilder({
      builder: flags.string("builder"),
      root: invocation.root,
      parallelism: Math.max(1, flags.number("parallelism") ?? availableParallelism()),
      standInBases: flags.has("stand-in-bases")
        ? flags.bool("stand-in-bases")
        : [...prepared.values()].some((each) => each.isExample),
    }),
  );
  const ended = await underDisplay(
    { shell, mode, expandWarnings: invocation.debug, summary: wanted.some(({ call }) => call === undefined) },
    (work) => new TargetBuilds(builder, prepared, work).run(wanted, flags.number("parallel") ?? Infinity),
  );
  if (ended.kind === "interrupted") {
    shell.stderr.write("ERROR: failed to build: failed to solve: Canceled: context canceled\n");
    return ended.exitCode;
  }
  if (ended.kind === "failed") throw ended.error;
  const { responses, failures } = ended.value;
  const metadataFile = flags.string("metadata-file");
  if (metadataFile !== "" && failures.length === 0) {
    await Failure.wrap("writing metadata file", () =>
      writeWhole(resolve(shell.cwd, metadataFile), bakeMetadata(responses)),
    );
  }
  if (failures.length > 0) {
    shell.stderr.write(reportFailures(failures, { debug: invocation.debug }));
    return 1;
  }
  const built = wanted.filter(({ call }) => call === undefined);
  if (mode !== "quiet" && mode !== "rawjson") shell.stderr.write(await targetReport(builder, built, responses));
  const asked = wanted.flatMap(({ name, call, dockerfile }) =>
    call === undefined ? [] : [{ name, call, dockerfile, response: responses.get(name)! }],
  );
  if (asked.length === 0) return 0;
  const printed = () => JSON.parse(printDefinition(resolved.groups, targets)) as PrintedDefinition;
  const answers = printAnswers(asked, callOf(flags), { targets, printed });
  shell.stdout.write(answers.stdout);
  return answers.exitCode;
}

async function prepare(
  invocation: Invocation,
  targets: ReadonlyMap<string, Target>,
  cleanup: AsyncDisposableStack,
): Promise<Map<string, PreparedTarget>> {
  const { flags, shell } = invocation;
  const links = await findLinks(targets, {
    cwd: shell.cwd,
    images: flags.bool("link-images"),
    defaultPlatform: formatAllPlatform(normalizePlatform(hostPlatform())),
  });
  const sessions = new Map<string, BakeSession>();
  const openLoader = oncePerContext(shell);
  const defaultArgs = proxyBuildArgs(shell.env);
  const prepared = new Map<string, PreparedTarget>();
  for (const [name, target] of targets) {
    const one = await Failure.wrap(`target ${name}`, async () => {
      const { values } = parseFlags(build.flags, buildWords(target));
      refuseLaterFeatures(values, shell.env);
      const call = callOf(values);
      const entries = target.linked === true || call !== undefined ? [] : values.list("output").map(parseOutput);
      const { localDelete } = entitlements([...flags.list("allow").filter((each) => each === "buildx.local.delete")]);
      const asked = await resolveOutputs(entries, {
        cwd: shell.cwd,
        stdout: shell.stdout,
        localDelete,
        openLoader,
      });
      const isLinked = target.linked === true;
      const outputs: ResolvedOutput[] =
        entries.length > 0 || isLinked ? asked : [{ type: "image", attributes: new Map(), target: undefined }];
      const inline = target["dockerfile-inline"];
      const file = inline === undefined ? dockerfilePath(target) : "-";
      const inputs = await findInputs({
        context: target.context ?? ".",
        file,
        contexts: values.list("build-context"),
        cwd: shell.cwd,
        stdin: () => Readable.from(inline === undefined ? [] : [Buffer.from(inline)]),
        cleanup,
      });
      const warn = (text: string) => void shell.stderr.write(`WARNING: ${name}: ${text}\n`);
      const vcs = await vcsAttributes({ inputs, file, env: shell.env, cwd: shell.cwd, warn });
      const local = cleanup.use(
        await openLocalSession({
          // Targets of the same folders share the steps that read them.
          id: createHash("sha256")
            .update(JSON.stringify([bakeId, ...inputs.dirs]))
            .digest("hex")
            .slice(0, 25),
          dirs: inputs.dirs,
          ...sessionSources(values, shell.cwd),
          outputs: outputs.map(({ target: place }) => place),
          uploads: inputs.uploads,
          env: shell.env,
        }),
      );
      const session = new BakeSession(local, (other) => sessions.get(other), [...links.get(name)!.values()]);
      sessions.set(name, session);
      const request = buildRequest({
        flags: values,
        // The environment's SOURCE_DATE_EPOCH is among the target's arguments by now.
        env: { ...shell.env, SOURCE_DATE_EPOCH: undefined },
        inputs: new Map([...inputs.attributes, ...vcs]),
        defaultArgs,
        outputs,
        cwd: shell.cwd,
        session: session.id,
        ref: newRef(),
      });
      return {
        name,
        flags: values,
        outputs,
        session,
        request,
        links: links.get(name)!,
        isExample: isExample(inputs, shell),
        call,
        dockerfile:
          inline === undefined && inputs.contextDir !== undefined
            ? dockerfilePath(target) || join(target.context ?? ".", inputs.attributes.get("filename") ?? "Dockerfile")
            : undefined,
      };
    });
    prepared.set(name, one);
  }
  return prepared;
}

/** One loader for all targets: what one has loaded, the others need not. */
function oncePerContext(shell: Shell): Shell["openLoader"] {
  const loaders = new Map<string, ReturnType<Shell["openLoader"]>>();
  return (place) => {
    const key = JSON.stringify(place);
    let loader = loaders.get(key);
    if (loader === undefined) loaders.set(key, (loader = shell.openLoader(place)));
    return loader;
  };
}

/** Tells the sessions of this process from others' of the same folders. */
const bakeId = newRef();

/** The builds of one run; conversions are made once each, when first needed. */
class TargetBuilds {
  readonly #builder: Builder;
  readonly #targets: ReadonlyMap<string, PreparedTarget>;
  readonly #work: DisplayedWork;
  readonly #converted = new Map<string, ReturnType<Builder["convert"]>>();
  /** The target that a step of a converted target is of, by the step's digest. */
  readonly #owners = new Map<string, string>();

  constructor(builder: Builder, targets: ReadonlyMap<string, PreparedTarget>, work: DisplayedWork) {
    this.#builder = builder;
    this.#targets = targets;
    this.#work = work;
  }

  /** Builds all, `parallel` at a time; one that fails stops none of the others. @throws what the abort signal brings. */
  async run(
    wanted: readonly PreparedTarget[],
    parallel: number,
  ): Promise<{ responses: Map<string, ExporterResponse>; failures: { name: string; error: unknown }[] }> {
    const results = new Map<string, ExporterResponse>();
    const errors = new Map<string, unknown>();
    const waiting = [...wanted];
    const worker = async () => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        try {
          results.set(one.name, await this.#build(one));
        } catch (error) {
          errors.set(one.name, error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, Math.min(parallel, wanted.length)) }, worker));
    this.#work.signal.throwIfAborted();
    const names = wanted.map(({ name }) => name);
    return {
      responses: new Map(names.filter((name) => results.has(name)).map((name) => [name, results.get(name)!])),
      failures: names.filter((name) => errors.has(name)).map((name) => ({ name, error: errors.get(name) })),
    };
  }

  async #build(target: PreparedTarget): Promise<ExporterResponse> {
    await this.#link(target);
    return this.#builder.solve(target.request, target.session, this.#options(target));
  }

  #options({ name }: PreparedTarget) {
    return {
      onStatus: prefixed((digest) => this.#owners.get(digest) ?? name, this.#work.onStatus),
      signal: this.#work.signal,
    };
  }

  #convert(target: PreparedTarget): ReturnType<Builder["convert"]> {
    let converting = this.#converted.get(target.name);
    if (converting === undefined) {
      converting = this.#link(target).then(async () => {
        const converted = await this.#builder.convert(target.request, target.session, this.#options(target));
        for (const op of converted.builds.flatMap(({ definition }) => definition.def)) {
          const digest = digestOf(op);
          if (!this.#owners.has(digest)) this.#owners.set(digest, target.name);
        }
        return converted;
      });
      this.#converted.set(target.name, converting);
    }
    return converting;
  }

  /** Gives a request the definitions of the targets that it takes as contexts. */
  async #link({ request, links }: PreparedTarget): Promise<void> {
    for (const [context, name] of links) {
      const { builds, multiPlatform } = await Failure.wrap(`target ${name}`, () =>
        this.#convert(this.#targets.get(name)!),
      );
      for (const each of builds) {
        const key = multiPlatform ? `${context}::${each.key}` : context;
        request.FrontendInputs[key] = each.definition;
        request.FrontendAttrs[`context:${key}`] = `input:${key}`;
        request.FrontendAttrs[`input-metadata:${key}`] = JSON.stringify({
          "containerimage.config": Buffer.from(each.config).toString("base64"),
        });
      }
      request.FrontendAttrs["frontend.caps"] = "moby.buildkit.frontend.contexts+forward";
    }
  }
}
