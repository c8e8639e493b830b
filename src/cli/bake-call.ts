// Answers of `bake --call`: each target's own, one below the other or in one JSON. Counterpart: docker/buildx commands/bake.go runBake.

import type { Target } from "../frontends/bake/index.ts";
import type { ExporterResponse } from "../service/builders/index.ts";
import { printAnswer, type Call } from "./call.ts";

export interface Asked {
  readonly name: string;
  readonly call: Call;
  readonly response: ExporterResponse;
  /** What the user calls the Dockerfile. */
  readonly dockerfile: string | undefined;
}

export interface PrintedAnswers {
  readonly stdout: string;
  readonly exitCode: number;
}

/** `flag` is the command line's question, whose form and ways with the status hold for all targets. */
export function printAnswers(
  asked: readonly Asked[],
  flag: Call | undefined,
  { targets, printed }: { readonly targets: ReadonlyMap<string, Target>; readonly printed: () => PrintedDefinition },
): PrintedAnswers {
  const sorted = asked.toSorted((one, two) => (one.name < two.name ? -1 : 1));
  const answers = sorted.map(({ name, call, response, dockerfile }) => {
    const form = flag === undefined ? call : { ...call, format: flag.format, ignoreStatus: flag.ignoreStatus };
    return { name, call: form, answer: printAnswer(form, response, dockerfile) };
  });
  const failed = answers.find(({ answer }) => answer.error !== undefined || answer.exitCode !== 0);
  const exitCode = answers.some(({ answer }) => answer.error !== undefined) ? 1 : (failed?.answer.exitCode ?? 0);
  if (flag?.format === "json") return { stdout: `${json(answers, printed())}\n`, exitCode };
  const blocks = answers.map(({ name, answer }) => {
    const description = targets.get(name)?.description ?? "";
    const error = answer.error === undefined ? "" : `error: ${answer.error}\n`;
    return `${name}\n${description === "" ? "" : `${description}\n`}\n${answer.stdout}${error}`;
  });
  return { stdout: blocks.join("\n"), exitCode };
}

/** As `--print` shows it. */
export interface PrintedDefinition {
  readonly group?: Readonly<Record<string, unknown>>;
  readonly target?: Readonly<Record<string, unknown>>;
}

type Answer = { readonly name: string; readonly call: Call; readonly answer: ReturnType<typeof printAnswer> };

function json(answers: readonly Answer[], printed: PrintedDefinition): string {
  const target: Record<string, Record<string, unknown>> = {};
  for (const [name, definition] of Object.entries(printed.target ?? {})) target[name] = { build: definition };
  for (const { name, call, answer } of answers) {
    const what = call.name === "lint" ? "check" : call.name;
    const fields = { ...(answer.error === undefined ? {} : { error: answer.error }), ...fieldsOf(answer.stdout) };
    // As Go prints a map.
    const sorted = Object.entries(fields).toSorted(([one], [two]) => (one < two ? -1 : 1));
    (target[name] ??= {})[what] = Object.fromEntries(sorted);
  }
  return JSON.stringify({ ...(printed.group === undefined ? {} : { group: printed.group }), target }, undefined, 2);
}

function fieldsOf(stdout: string): Record<string, unknown> {
  try {
    return JSON.parse(stdout) as Record<string, unknown>;
  } catch {
    return {};
  }
}
