// Reads the files of a definition: tells what each is written in, and puts together what they say. Compose files come first, all
// together; then HCL and JSON files as one. Counterpart: docker/buildx bake/bake.go ParseFiles, bake/hcl.go.

import { BuildError, isBuildError, messageOf } from "../../../base/index.ts";
import { parseJsonFile } from "../hcl/json-body.ts";
import { MergedBody } from "../hcl/merged-body.ts";
import { parseNative } from "../hcl/native-body.ts";
import type { Body, ParsedFile } from "../hcl/body.ts";
import { DiagnosticsError, diagnosticsText } from "../hcl/source.ts";
import { evaluateFiles } from "./evaluator.ts";
import type { Definition, ListedVariable } from "./evaluator.ts";
import { folderOf, rebased } from "./paths.ts";
import { mergeTarget } from "./target.ts";
import type { Group, Target } from "./target.ts";

export interface DefinitionFile {
  /** As given; `-` for the standard input. */
  readonly name: string;
  readonly data: Uint8Array;
}

/** What reads compose files; bake knows no more of them. */
export interface ComposeReader {
  /** Checks one file by itself. @throws whatever is wrong with it. */
  check(file: DefinitionFile): void;
  /** Targets and groups of all files together. @throws whatever is wrong with them. */
  load(files: readonly DefinitionFile[]): Definition;
}

export interface ParseOptions {
  readonly lookup: (name: string) => string | undefined;
  readonly builtins: ReadonlyMap<string, string>;
  /** Whether paths are relative to the file that has them, not to the working directory. */
  readonly fileRelativePaths: boolean;
  readonly compose: ComposeReader;
}

export interface ParsedDefinition extends Definition {
  readonly variables: readonly ListedVariable[];
}

/** @throws BAKE_INVALID with the place where it is known, and what the compose reader throws. */
export function parseDefinition(files: readonly DefinitionFile[], options: ParseOptions): ParsedDefinition {
  try {
    return parse(files, options);
  } catch (error) {
    if (error instanceof DiagnosticsError) throw definitionError(error, files);
    throw error;
  }
}

function parse(files: readonly DefinitionFile[], options: ParseOptions): ParsedDefinition {
  const composeFiles: DefinitionFile[] = [];
  const bodies: Body[] = [];
  for (const file of files) {
    const parsed = classify(file, options.compose);
    if (parsed === "compose") composeFiles.push(file);
    else bodies.push(parsed);
  }
  const definition: Definition = { groups: [], targets: [] };
  if (composeFiles.length > 0) addCompose(definition, composeFiles, options);
  let variables: readonly ListedVariable[] = [];
  if (bodies.length > 0) {
    const evaluated = evaluateFiles(new MergedBody(bodies), definition, options);
    variables = evaluated.variables;
    for (const ofType of evaluated.renamed.values()) {
      for (const [label, names] of ofType) {
        const unique = [...new Set(names)];
        if (unique.length === 1 && unique[0] === label) continue;
        definition.groups.push({ name: label, targets: unique });
      }
    }
  }
  const deduped = withoutRepeats(definition);
  if (options.fileRelativePaths) rebaseContexts(deduped.targets);
  return { ...deduped, variables };
}

function classify(file: DefinitionFile, compose: ComposeReader): "compose" | Body {
  const { name } = file;
  if (/\.ya?ml$/i.test(name)) {
    compose.check(file);
    return "compose";
  }
  if (name.endsWith(".json")) return bodyOf(parseJsonFile(file.data, name));
  if (name.endsWith(".hcl")) return bodyOf(parseNative(file.data, name));
  // Names that are known to no language but look like one's are never compose.
  const other = /\.(json|hcl)$/i.test(name);
  let problem: string | undefined;
  if (!other) {
    try {
      compose.check(file);
      return "compose";
    } catch (error) {
      problem = isBuildError(error) ? error.message : messageOf(error);
    }
  }
  const native = parseNative(file.data, `${name}.hcl`);
  if (native.diagnostics.length === 0) return native.body;
  const json = parseJsonFile(file.data, `${name}.json`);
  if (json.diagnostics.length === 0) return json.body;
  if (problem === undefined) throw new DiagnosticsError(native.diagnostics);
  throw new BuildError(
    `failed to parse ${name}: parsing yaml: ${problem}, parsing hcl: ${diagnosticsText(native.diagnostics)}`,
    { code: "BAKE_INVALID", status: "InvalidArgument" },
  );
}

function bodyOf({ body, diagnostics }: ParsedFile): Body {
  if (diagnostics.length > 0) throw new DiagnosticsError(diagnostics);
  return body;
}

function addCompose(definition: Definition, files: readonly DefinitionFile[], options: ParseOptions): void {
  const loaded = options.compose.load(files);
  const base = options.fileRelativePaths ? folderOf(files[0]!.name) : undefined;
  for (const target of loaded.targets) {
    if (base !== undefined) {
      target.bases = {
        default: base,
        ...(target.context === undefined ? {} : { context: base }),
        ...(target.contexts === undefined
          ? {}
          : { contexts: new Map([...target.contexts.keys()].map((key) => [key, base])) }),
      };
    }
    definition.targets.push(target);
  }
  definition.groups.push(...loaded.groups);
}

/** A target of a name that an earlier one has joins it; members of groups are there once. */
function withoutRepeats({ groups, targets }: Definition): Definition {
  const kept: Target[] = [];
  for (const target of targets) {
    const known = kept.find(({ name }) => name === target.name);
    if (known === undefined) kept.push(target);
    else mergeTarget(known, target);
  }
  return { groups: groups.map((group): Group => ({ ...group, targets: [...new Set(group.targets)] })), targets: kept };
}

function rebaseContexts(targets: readonly Target[]): void {
  const byName = new Map(targets.map((target) => [target.name, target]));
  for (const target of targets) {
    let base = target.bases?.context;
    const ref = target.bases?.contextRef === undefined ? undefined : byName.get(target.bases.contextRef)?.bases;
    if (ref !== undefined) base = ref.context ?? ref.default ?? base;
    if (target.context !== undefined) {
      if (base !== undefined) target.context = rebased(base, target.context);
    } else if (target.bases?.default !== undefined) target.bases = { ...target.bases, useDefault: true };
    for (const [name, path] of target.contexts ?? []) {
      const own = target.bases?.contexts?.get(name);
      if (own !== undefined) target.contexts!.set(name, rebased(own, path));
    }
  }
}

function definitionError(error: DiagnosticsError, files: readonly DefinitionFile[]): BuildError {
  const subject = error.diagnostics.find((each) => each.subject !== undefined)?.subject;
  const file = files.find(({ name }) => name === subject?.filename);
  return new BuildError(error.message, {
    code: "BAKE_INVALID",
    status: "InvalidArgument",
    cause: error,
    ...(subject === undefined || file === undefined
      ? {}
      : {
          sources: [
            {
              filename: subject.filename,
              language: "HCL",
              text: file.data,
              ranges: [{ start: subject.start.line, end: subject.end.line }],
            },
          ],
        }),
  });
}
