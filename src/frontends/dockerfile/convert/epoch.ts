// SOURCE_DATE_EPOCH: a number of seconds, or the name of something whose time counts.
// Counterpart: frontend/dockerfile/dockerfile2llb/epoch.go.

import type { EnvList } from "../../../graph/llb/index.ts";
import type { BuildClient } from "../context/client.ts";
import { tryParseInt } from "../go/parse.ts";
import type { Stage } from "../instructions/types.ts";
import type { Lex } from "../shell/lex.ts";
import { FrontendError } from "../source-error.ts";

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

async function resolveValue(value: string, _facts: EpochFacts, _signal: AbortSignal): Promise<bigint | undefined> {
  if (value === "") return undefined;
  const seconds = tryParseInt(value, 10, 64);
  if (typeof seconds === "bigint") return seconds;
  throw new FrontendError(`invalid SOURCE_DATE_EPOCH: ${value}`);
}
