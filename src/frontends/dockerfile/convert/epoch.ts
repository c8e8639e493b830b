// SOURCE_DATE_EPOCH: a number of seconds, or the name of a source whose own time counts: the main context, a named context,
// or a stage that is nothing but one remote ADD. Counterpart: frontend/dockerfile/dockerfile2llb/epoch.go.

import { fromBinary } from "@bufbuild/protobuf";
import { pb } from "../../../formats/proto/index.ts";
import { httpSource, marshalState, SourceVertex } from "../../../graph/llb/index.ts";
import type { EnvList, State } from "../../../graph/llb/index.ts";
import { latestFileTime } from "../context/archive-time.ts";
import type { BuildClient } from "../context/client.ts";
import { parseGitRef } from "../context/git-ref.ts";
import { gitSource } from "../context/git-source.ts";
import { tryParseInt } from "../go/parse.ts";
import { quote } from "../go/format.ts";
import type { AddCommand, ArgPair, Stage } from "../instructions/types.ts";
import type { Lex } from "../shell/lex.ts";
import { FrontendError, withLocation, wrapError } from "../source-error.ts";
import { checkDigest, httpFilename, isHttpSource } from "./remote-source.ts";

const KEY = "SOURCE_DATE_EPOCH";

export interface EpochFacts {
  readonly client: BuildClient;
  /** The resolved number is put in place of what was given. */
  readonly buildArgs: Map<string, string>;
  readonly globalArgs: EnvList;
  readonly stages: readonly Stage[];
  readonly lex: Lex;
}

/** The epoch in seconds, if one is given, and the global arguments with the number in place. @throws FrontendError */
export async function resolveEpoch(
  facts: EpochFacts,
  signal: AbortSignal,
): Promise<{ seconds: bigint | undefined; globalArgs: EnvList }> {
  const { buildArgs, globalArgs } = facts;
  const value = buildArgs.get(KEY) ?? (globalArgs.get(KEY) || undefined);
  if (value === undefined) return { seconds: undefined, globalArgs };
  const seconds = await resolveValue(value, facts, signal);
  const text = seconds === undefined ? "" : String(seconds);
  if (buildArgs.has(KEY)) {
    if (text === "") buildArgs.delete(KEY);
    else buildArgs.set(KEY, text);
  }
  if (!globalArgs.has(KEY)) return { seconds, globalArgs };
  return { seconds, globalArgs: text === "" ? globalArgs.delete(KEY) : globalArgs.set(KEY, text) };
}

async function resolveValue(value: string, facts: EpochFacts, signal: AbortSignal): Promise<bigint | undefined> {
  if (value === "") return undefined;
  const seconds = tryParseInt(value, 10, 64);
  if (typeof seconds === "bigint") return seconds;
  const source = await sourceNamed(value, facts, signal);
  return timeOfSource(source, facts.client, signal);
}

async function sourceNamed(value: string, facts: EpochFacts, signal: AbortSignal): Promise<State> {
  const { client, stages } = facts;
  if (value === "context") return client.mainContext([], signal);
  const options = { platform: undefined, resolveMode: "default", followPaths: () => [] } as const;
  const named = client.namedContext(value, options);
  if (named !== undefined) return (await named.load(signal)).state;
  const stage = stages.find(({ name }) => name.toLowerCase() === value.toLowerCase());
  if (stage === undefined) throw new FrontendError(`invalid SOURCE_DATE_EPOCH: ${value}`);
  try {
    return sourceOfStage(stage, facts);
  } catch (error) {
    throw withLocation(error, stage.location);
  }
}

// A stage counts when it is scratch with exactly one remote ADD.
function sourceOfStage(stage: Stage, { globalArgs, buildArgs, lex }: EpochFacts): State {
  let env = globalArgs.delete(KEY);
  let base: string;
  try {
    base = lex.word(stage.baseName, env);
  } catch (error) {
    throw wrapError(error, `failed to process source stage base name ${quote(stage.baseName)}`);
  }
  if (base !== "scratch") throw new FrontendError(`${KEY} stage must use FROM scratch`);
  const onlyOne = () => new FrontendError(`${KEY} stage must contain exactly one remote ADD`);
  let source: State | undefined;
  for (const command of stage.commands) {
    if (command.kind === "arg") env = withArgs(env, command.args, buildArgs, lex);
    else if (command.kind === "add") {
      if (source !== undefined) throw onlyOne();
      source = sourceOfAdd(command, env, lex);
    } else {
      throw new FrontendError(
        `${KEY} stage does not meet source-only requirements: unsupported ${command.name} instruction`,
      );
    }
  }
  if (source === undefined) throw onlyOne();
  return source;
}

function withArgs(start: EnvList, args: readonly ArgPair[], buildArgs: ReadonlyMap<string, string>, lex: Lex): EnvList {
  return args.reduce((env, { key, value }) => {
    const given = buildArgs.get(key);
    if (given !== undefined) return env.set(key, given);
    return value === undefined ? env : env.set(key, lex.word(value, env));
  }, start);
}

function sourceOfAdd(command: AddCommand, env: EnvList, lex: Lex): State {
  const { sources, contents } = command.files;
  if (contents.length > 0 || sources.length !== 1) {
    throw new FrontendError(`${KEY} stage must contain exactly one remote ADD source`);
  }
  const source = lex.word(sources[0]!, env);
  const checksum = command.checksum === "" ? "" : lex.word(command.checksum, env);
  if (isHttpSource(source)) {
    if (checksum !== "") checkDigest(checksum);
    return httpSource(source, { filename: httpFilename(source), checksum });
  }
  const git = parseGitRef(source);
  if (git.kind === "bad") throw git.error;
  if (git.kind === "git" && !git.ref.indistinguishableFromLocal) {
    return gitSource(git.ref.remote, {
      ref: git.ref.ref,
      subDir: git.ref.subDir,
      checksum: checksum || git.ref.checksum,
      keepGitDir: command.keepGitDir === true || git.ref.keepGitDir === true,
      skipSubmodules: git.ref.submodules === false,
    });
  }
  throw new FrontendError(`${KEY} stage source must be a single HTTP(S) or Git ADD`);
}

async function timeOfSource(state: State, client: BuildClient, signal: AbortSignal): Promise<bigint | undefined> {
  const op = onlySource(state);
  if (op === undefined) return undefined;
  const metadata = await client.gateway.resolveSourceMetadata(op, signal);
  if (metadata.gitCommitObject !== undefined) return committerTime(metadata.gitCommitObject);
  if (metadata.httpLastModified !== undefined) return metadata.httpLastModified;
  const filename = op.attrs["http.filename"];
  if (!/^https?:\/\//.test(op.identifier) || !filename) return undefined;
  const source = new SourceVertex(op.identifier, op.attrs, [], {}).state();
  const ref = await client.solve(source, signal);
  return latestFileTime(await ref.readFile(filename, { signal }), signal);
}

// The source op of a graph that has exactly one.
function onlySource(state: State): pb.SourceOp | undefined {
  const ops = marshalState(state, { supports: () => true }).def.map((bytes) => fromBinary(pb.OpSchema, bytes).op);
  const sources = ops.filter((op) => op.case === "source");
  return sources.length === 1 ? sources[0]!.value : undefined;
}

function committerTime(object: Uint8Array): bigint | undefined {
  const header = new TextDecoder().decode(object).split("\n\n", 1)[0]!;
  const match = /^committer .*> (-?\d+) [+-]\d{4}$/m.exec(header);
  return match === null ? undefined : BigInt(match[1]!);
}
