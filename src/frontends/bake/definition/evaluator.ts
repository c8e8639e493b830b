// Evaluates the HCL part of a definition: variables with their overrides, functions, and blocks, each when somebody needs it, so that
// they may refer to each other in any order. Everything is evaluated in the end, also what nobody uses.
// Counterpart: docker/buildx bake/hclparser/hclparser.go.

import { evaluate } from "../evaluate/evaluate.ts";
import { Scope } from "../evaluate/scope.ts";
import { functionsOf, keywordOf, listOfExpression, variablesOf } from "../evaluate/static.ts";
import { readType } from "../evaluate/type-expression.ts";
import { standardFunctions } from "../functions/index.ts";
import type { Block, Body } from "../hcl/body.ts";
import { startRange } from "../hcl/expressions.ts";
import type { Attribute, Expression } from "../hcl/expressions.ts";
import { DiagnosticsError } from "../hcl/source.ts";
import type { Diagnostic, Range } from "../hcl/source.ts";
import { ConversionError, convertValue } from "../values/convert.ts";
import { dynamicToJson, valueToJson } from "../values/json.ts";
import { BOOL, STRING, isPrimitive, mapOf, typeName } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import {
  asEntries,
  asString,
  canIterate,
  elementsOf,
  isNull,
  mapValue,
  nullOf,
  objectValue,
  stringValue,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { noteBases } from "./bases.ts";
import { userFunction } from "./user-function.ts";
import { attributeNames, blockValue, setAttribute } from "./attributes.ts";
import type { BlockType } from "./attributes.ts";
import { readFunctions, readVariables } from "./declarations.ts";
import type { FunctionDeclaration, VariableDeclaration } from "./declarations.ts";
import type { Group, Target } from "./target.ts";
import { mergeTarget } from "./target.ts";
import { OverrideError, overrideValue } from "./variables.ts";

export interface EvaluatorOptions {
  /** Values of variables from flags and environment; undefined where there is none. */
  readonly lookup: (name: string) => string | undefined;
  /** Variables that files can't declare. */
  readonly builtins: ReadonlyMap<string, string>;
}

/** A variable as `--list=variables` shows it. */
export interface ListedVariable {
  readonly name: string;
  readonly description: string;
  /** Empty where none is declared. */
  readonly type: string;
  /** Undefined for null. */
  readonly value: string | undefined;
}

export interface EvaluatedFiles {
  readonly variables: readonly ListedVariable[];
  /** For each block label of either type, the names that it became. */
  readonly renamed: ReadonlyMap<BlockType, ReadonlyMap<string, readonly string[]>>;
}

/** What a definition holds; evaluation adds to it. */
export interface Definition {
  readonly groups: Group[];
  readonly targets: Target[];
}

/** Something that has no position of its own. `missing`: a name that nothing is known of, which evaluation may yet excuse. */
class EvaluationError extends Error {
  readonly missing: boolean;

  constructor(message: string, missing = false) {
    super(message);
    this.missing = missing;
  }
}

type Instance = Record<string, unknown> & { name: string };

interface BlockState {
  readonly instances: Instance[];
  readonly scopes: Scope[];
  names: string[] | undefined;
  /** By scope: attributes read, and being read. */
  readonly done: Map<Scope, Set<string>>;
  readonly inProgress: Map<Scope, Set<string>>;
}

/** Adds what the files say to `definition`. @throws DiagnosticsError. */
export function evaluateFiles(body: Body, definition: Definition, options: EvaluatorOptions): EvaluatedFiles {
  return new Evaluator(body, options).run(definition);
}

const blockTypes: readonly BlockType[] = ["group", "target"];

class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #scope = new Scope();
  /** Values of blocks, by type and name. */
  readonly #published = new Map<BlockType, Map<string, Value>>();
  readonly #variables = new Map<string, VariableDeclaration>();
  readonly #functions = new Map<string, FunctionDeclaration>();
  readonly #attributes: Map<string, Attribute>;
  readonly #contentBlocks: readonly Block[];
  readonly #constraints = new Map<string, Type>();
  readonly #blocks = new Map<string, Block[]>();
  readonly #states = new Map<Block, BlockState>();
  /** Names whose evaluation has begun. It is never taken back: the second use of an unknown name is called a cycle, as in bake. */
  readonly #begun = new Map<Scope, Set<string>>();

  constructor(body: Body, options: EvaluatorOptions) {
    this.#options = options;
    for (const [name, call] of standardFunctions()) this.#scope.functions.set(name, call);
    const reserved = new Set<string>([...blockTypes, ...options.builtins.keys()]);
    const diagnostics: Diagnostic[] = [];
    const variables = readVariables(body, diagnostics);
    const functions = readFunctions(body, diagnostics);
    throwIfAny(diagnostics);
    for (const variable of variables) if (!reserved.has(variable.name)) this.#variables.set(variable.name, variable);
    for (const each of functions) if (!reserved.has(each.name)) this.#functions.set(each.name, each);
    const schema = { attributes: [], blocks: blockTypes.map((type) => ({ type, labels: ["name"] })) };
    this.#contentBlocks = body.partialContent(schema, diagnostics).blocks;
    throwIfAny(diagnostics);
    const hidden = new Set([...blockTypes, "variable", "function"]);
    const attributes = body.justAttributes(hidden, diagnostics);
    throwIfAny(diagnostics.filter(({ detail }) => detail !== "Blocks are not allowed here."));
    this.#attributes = new Map([...attributes].filter(([name]) => !reserved.has(name)));
  }

  run(definition: Definition): EvaluatedFiles {
    for (const name of this.#options.builtins.keys()) this.#resolveValue(this.#scope, name);
    const variables = [...this.#variables.values()].map((each) => this.#listVariable(each));
    this.#validate();
    for (const [name, declaration] of this.#functions) {
      const subject = declaration.params?.range ?? declaration.labelRange;
      located("Invalid function", subject, () => this.#resolveFunction(this.#scope, name));
    }
    const renamed = new Map<BlockType, Map<string, string[]>>(blockTypes.map((type) => [type, new Map()]));
    for (const block of this.#contentBlocks) {
      const type = block.type as BlockType;
      const names = located("Invalid name", block.labelRanges[0]!, () => this.#blockNames(block));
      const ofType = renamed.get(type)!;
      for (const name of names) {
        const key = `${type}.${name}`;
        this.#blocks.set(key, [...(this.#blocks.get(key) ?? []), block]);
        ofType.set(block.labels[0]!, [...(ofType.get(block.labels[0]!) ?? []), name]);
      }
    }
    this.#decodeAll(definition);
    for (const [name, attribute] of this.#attributes) {
      located("Invalid attribute", attribute.range, () => this.#resolveValue(this.#scope, name));
    }
    return { variables, renamed };
  }

  #decodeAll(definition: Definition): void {
    const diagnostics: Diagnostic[] = [];
    for (const block of this.#contentBlocks) {
      try {
        this.#resolveBlock(block, undefined);
      } catch (error) {
        if (error instanceof DiagnosticsError) {
          diagnostics.push(...error.diagnostics);
          continue;
        }
        if (!(error instanceof EvaluationError)) throw error;
        throw new DiagnosticsError([
          { summary: "Invalid block", detail: error.message, subject: block.labelRanges[0] },
        ]);
      }
      for (const instance of this.#states.get(block)!.instances) {
        if (block.type === "target") noteBases(instance as unknown as Target, block);
        addTo(definition, block, instance);
      }
    }
    throwIfAny(diagnostics);
  }

  #listVariable(declaration: VariableDeclaration): ListedVariable {
    const { name, body, description } = declaration;
    located("Invalid value", body.missingItemRange(), () => this.#resolveValue(this.#scope, name));
    const value = this.#scope.variables.get(name)!;
    const type = this.#constraints.get(name);
    return { name, description, type: type === undefined ? "" : typeName(type, true), value: listed(value, type) };
  }

  #validate(): void {
    const diagnostics: Diagnostic[] = [];
    for (const { validations } of this.#variables.values()) {
      for (const { condition, message } of validations) {
        const before = diagnostics.length;
        const value = evaluate(condition, this.#scope, diagnostics);
        if (diagnostics.length > before) continue;
        const tell = (summary: string, detail: string) =>
          void diagnostics.push({ summary, detail, subject: condition.range });
        if (isNull(value)) {
          tell("Invalid condition result", "The condition must be true or false, not null.");
          continue;
        }
        try {
          if (convertValue(value, BOOL).raw === true) continue;
        } catch (error) {
          if (!(error instanceof ConversionError)) throw error;
          tell("Invalid condition result", `Invalid condition result value: ${error.message}`);
          continue;
        }
        const text = evaluate(message, this.#scope, diagnostics);
        if (diagnostics.length > before) continue;
        tell(
          "Validation failed",
          typeof text.raw === "string" ? text.raw : "This check failed, but has no valid error message.",
        );
      }
    }
    throwIfAny(diagnostics);
  }

  /** Evaluates what an expression refers to. @throws DiagnosticsError. */
  #loadDependencies(scope: Scope, expression: Expression, local: ReadonlySet<string>, allowMissing: boolean): void {
    const attempt = (work: () => void) => {
      try {
        work();
      } catch (error) {
        if (!(error instanceof EvaluationError)) throw error;
        if (allowMissing && error.missing) return;
        throw new DiagnosticsError([
          { summary: "Invalid expression", detail: error.message, subject: expression.range },
        ]);
      }
    };
    for (const name of functionsOf(expression)) attempt(() => this.#resolveFunction(scope, name));
    for (const [root, first, second] of variablesOf(expression)) {
      if (root?.kind !== "root" || local.has(root.name)) continue;
      if (root.name !== "target" && root.name !== "group") {
        attempt(() => this.#resolveValue(scope, root.name));
        continue;
      }
      if (first === undefined) attempt(() => fail(`cannot access ${root.name} as a variable`));
      else if (first.kind !== "attribute") attempt(() => fail(`cannot traverse ${root.name} without attribute`));
      else {
        const only = second?.kind === "attribute" ? second.name : undefined;
        for (const block of this.#blocks.get(`${root.name}.${first.name}`) ?? []) {
          attempt(() => this.#resolveBlock(block, only));
        }
      }
    }
  }

  #begin(scope: Scope, key: string, complaint: string): void {
    const begun = this.#begun.get(scope) ?? new Set();
    this.#begun.set(scope, begun);
    if (begun.has(key)) throw new EvaluationError(complaint);
    begun.add(key);
  }

  #resolveFunction(scope: Scope, name: string): void {
    if (this.#scope.functions.has(name)) return;
    const declaration = this.#functions.get(name);
    if (declaration === undefined)
      throw new EvaluationError(`function ${JSON.stringify(name)} does not exist: undefined`, true);
    this.#begin(scope, `function ${name}`, `function cycle not allowed for ${name}`);
    const { params, variadic, result } = declaration;
    if (result === undefined) throw new EvaluationError(`empty result not allowed for ${name}`);
    if (params === undefined) throw new EvaluationError(`empty params not allowed for ${name}`);
    const items = listOfExpression(params.expression);
    const badParam = (subject: Range): Diagnostic => ({
      summary: "Invalid param element",
      detail: "Each parameter name must be an identifier.",
      subject,
    });
    if (items === undefined) {
      const detail = "A static list of names is required.";
      throw new DiagnosticsError([{ summary: "Invalid expression", detail, subject: startRange(params.expression) }]);
    }
    const names = items.map(keywordOf);
    const bad = items.filter((_, at) => names[at] === "").map(({ range }) => badParam(range));
    const rest = variadic === undefined ? undefined : keywordOf(variadic.expression);
    if (rest === "") bad.push(badParam(variadic!.range));
    throwIfAny(bad);
    const local = new Set(rest === undefined ? names : [...names, rest]);
    this.#loadDependencies(this.#scope, result.expression, local, false);
    this.#scope.functions.set(name, userFunction(names, rest, result.expression, this.#scope));
  }

  #resolveValue(scope: Scope, name: string): void {
    if (this.#scope.variables.has(name) || scope.variables.has(name)) return;
    this.#begin(scope, `value ${name}`, `variable cycle not allowed for ${name}`);
    this.#scope.variables.set(name, this.#valueOf(scope, name));
  }

  #valueOf(scope: Scope, name: string): Value {
    const builtin = this.#options.builtins.get(name);
    if (builtin !== undefined) return stringValue(builtin);
    const attribute = this.#attributes.get(name);
    const variable = this.#variables.get(name);
    let type: Type | undefined;
    let expression = attribute?.expression;
    let from = scope;
    if (attribute === undefined) {
      if (variable === undefined)
        throw new EvaluationError(`variable ${JSON.stringify(name)} does not exist: undefined`, true);
      expression = variable.default?.expression;
      from = this.#scope;
      type = declaredType(variable);
      if (type !== undefined) this.#constraints.set(name, type);
    }
    const override = this.#override(name, type !== undefined);
    if (expression === undefined && override === undefined) return type === undefined ? stringValue("") : nullOf(type);
    let value: Value | undefined;
    if (expression !== undefined) {
      this.#loadDependencies(from, expression, new Set(), true);
      const diagnostics: Diagnostic[] = [];
      value = evaluate(expression, from, diagnostics);
      throwIfAny(diagnostics);
      if (type !== undefined) value = this.#defaultAs(name, value, type);
    }
    if (override === undefined || variable === undefined) return value ?? stringValue("");
    try {
      return overrideValue({ name, type, value }, override.text, override.isJson);
    } catch (error) {
      if (error instanceof OverrideError) throw new EvaluationError(error.message);
      throw error;
    }
  }

  #defaultAs(name: string, value: Value, type: Type): Value {
    try {
      return convertValue(value, type);
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      throw new EvaluationError(`invalid type ${typeName(type)} for variable ${name} default value: ${error.message}`);
    }
  }

  /** NAME_JSON is looked at where NAME is not set, or where the type makes JSON the better text. */
  #override(name: string, favorJson: boolean): { text: string; isJson: boolean } | undefined {
    const text = this.#options.lookup(name);
    if (text === undefined || favorJson) {
      const jsonName = `${name}_JSON`;
      if (!this.#variables.has(jsonName) && !this.#options.builtins.has(jsonName)) {
        const json = this.#options.lookup(jsonName);
        if (json !== undefined) return { text: json, isJson: true };
      }
    }
    return text === undefined ? undefined : { text, isJson: false };
  }

  #state(block: Block): BlockState {
    const known = this.#states.get(block);
    if (known !== undefined) return known;
    const scopes = this.#scopesOf(block);
    const state: BlockState = {
      scopes,
      instances: scopes.map(() => ({ name: "" })),
      names: undefined,
      done: new Map(scopes.map((scope) => [scope, new Set<string>()])),
      inProgress: new Map(scopes.map((scope) => [scope, new Set<string>()])),
    };
    this.#states.set(block, state);
    return state;
  }

  /** One scope for each combination of a matrix's values; the first axis by name varies fastest. */
  #scopesOf(block: Block): Scope[] {
    const matrix = attributeOf(block, "matrix");
    if (block.type === "group") {
      if (matrix !== undefined) throw new EvaluationError("matrix is not supported for groups");
      return [this.#scope];
    }
    if (matrix === undefined) return [this.#scope];
    this.#loadDependencies(this.#scope, matrix.expression, new Set(), true);
    const diagnostics: Diagnostic[] = [];
    const value = evaluate(matrix.expression, this.#scope, diagnostics);
    throwIfAny(diagnostics);
    if ((value.type.kind !== "map" && value.type.kind !== "object") || !canIterate(value)) {
      throw new EvaluationError("matrix must be a map");
    }
    let combinations: Map<string, Value>[] = [new Map()];
    for (const [axis, values] of asEntries(value)) {
      if (!canIterate(values)) throw new EvaluationError("matrix values must be a list");
      combinations = elementsOf(values).flatMap(([, each]) =>
        combinations.map((start) => new Map([...start, [axis, each]])),
      );
    }
    if (combinations.length === 1 && combinations[0]!.size === 0) return [this.#scope];
    return combinations.map((variables) => new Scope(this.#scope, variables));
  }

  #blockNames(block: Block): string[] {
    const state = this.#resolveNothing(block);
    if (state.names !== undefined) return state.names;
    const names = state.scopes.map((scope) => {
      checkName(block.labels[0]!);
      const name = this.#nameIn(block, scope);
      checkName(name);
      return name;
    });
    for (const [at, name] of names.entries()) {
      state.instances[at]!.name = name;
      if (names.indexOf(name) !== at) throw new EvaluationError(`duplicate name ${JSON.stringify(name)}`);
    }
    state.names = names;
    return names;
  }

  /** Makes the block known to references, with nothing of it read. */
  #resolveNothing(block: Block): BlockState {
    if (!this.#scope.variables.has(block.type)) {
      this.#scope.variables.set(block.type, mapValue([], mapOf(STRING)));
    }
    return this.#state(block);
  }

  #nameIn(block: Block, scope: Scope): string {
    const name = attributeOf(block, "name");
    const matrix = attributeOf(block, "matrix");
    if (block.type === "group") {
      if (name !== undefined) throw new EvaluationError("name is not supported for groups");
      if (matrix !== undefined) throw new EvaluationError("matrix is not supported for groups");
      return block.labels[0]!;
    }
    if (name === undefined) return block.labels[0]!;
    if (matrix === undefined) throw new EvaluationError("name requires matrix");
    this.#loadDependencies(scope, name.expression, new Set(), true);
    const diagnostics: Diagnostic[] = [];
    const value = evaluate(name.expression, scope, diagnostics);
    throwIfAny(diagnostics);
    try {
      const text = convertValue(value, STRING);
      if (typeof text.raw === "string") return text.raw;
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      throw new EvaluationError(error.message);
    }
    throw new EvaluationError("a name must not be null");
  }

  /** Reads attributes of a block: `only` one, or all that are not read yet. */
  #resolveBlock(block: Block, only: string | undefined): void {
    const state = this.#resolveNothing(block);
    const type = block.type as BlockType;
    for (const [at, instance] of state.instances.entries()) {
      const scope = state.scopes[at]!;
      const done = state.done.get(scope)!;
      const name = state.names?.[at] ?? block.labels[0]!;
      if (only !== undefined) {
        if (done.has(only)) return;
        const inProgress = state.inProgress.get(scope)!;
        if (inProgress.has(only)) throw new EvaluationError(`reference cycle not allowed for ${type}.${name}.${only}`);
        inProgress.add(only);
      }
      const wanted = attributeNames(type).filter((each) => !done.has(each) && (only === undefined || each === only));
      const attributes = this.#read(block, wanted);
      for (const { expression } of attributes) this.#loadDependencies(scope, expression, new Set(), true);
      decode(type, instance, attributes, scope);
      for (const attribute of attributes) done.add(attribute.name);
      if (only !== undefined) done.add(only);
      this.#publish(type, name, instance);
    }
  }

  #read(block: Block, names: readonly string[]): Attribute[] {
    const diagnostics: Diagnostic[] = [];
    const schema = {
      attributes: names.map((name) => ({ name, required: block.type === "group" && name === "targets" })),
      blocks: [],
    };
    const { attributes } = block.body.partialContent(schema, diagnostics);
    throwIfAny(diagnostics);
    return [...attributes.values()].sort((a, b) => position(a.range) - position(b.range));
  }

  #publish(type: BlockType, name: string, instance: Instance): void {
    let blocks = this.#published.get(type);
    if (blocks === undefined) this.#published.set(type, (blocks = new Map()));
    blocks.set(name, blockValue(type, instance));
    this.#scope.variables.set(type, lazyObject(blocks));
  }
}

/** An object that is made when something looks at it: most files have no references between blocks. */
function lazyObject(entries: ReadonlyMap<string, Value>): Value {
  let made: Value | undefined;
  const make = () => (made ??= objectValue(entries));
  return {
    get type() {
      return make().type;
    },
    get raw() {
      return make().raw;
    },
  };
}

function fail(message: string): never {
  throw new EvaluationError(message);
}

function throwIfAny(diagnostics: readonly Diagnostic[]): void {
  if (diagnostics.length > 0) throw new DiagnosticsError(diagnostics);
}

function position({ start }: Range): number {
  return start.line * 1e6 + start.column;
}

/** Gives errors without a position one. */
function located<T>(summary: string, subject: Range, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new DiagnosticsError([{ summary, detail: error.message, subject }]);
  }
}

function checkName(name: string): void {
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) throw new EvaluationError('only "[a-zA-Z0-9_-]+" are allowed');
}

function attributeOf(block: Block, name: string): Attribute | undefined {
  return block.body.partialContent({ attributes: [{ name }], blocks: [] }, []).attributes.get(name);
}

/** Undefined where no type is written; "any" is one. @throws DiagnosticsError. */
function declaredType({ type }: VariableDeclaration): Type | undefined {
  if (type === undefined) return undefined;
  const diagnostics: Diagnostic[] = [];
  const read = readType(type.expression, diagnostics);
  if (diagnostics.length > 0) {
    if (isNull(evaluate(type.expression, undefined, []))) return undefined;
    throw new DiagnosticsError(diagnostics);
  }
  return read.kind === "dynamic" && keywordOf(type.expression) !== "any" ? undefined : read;
}

function decode(type: BlockType, instance: Instance, attributes: readonly Attribute[], scope: Scope): void {
  const diagnostics: Diagnostic[] = [];
  for (const { name, expression } of attributes) {
    const value = evaluate(expression, scope, diagnostics);
    try {
      setAttribute(type, instance, name, value);
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      const detail = `Unsuitable value: ${error.message}`;
      diagnostics.push({ summary: "Unsuitable value type", detail, subject: startRange(expression) });
    }
  }
  throwIfAny(diagnostics);
}

/** A target joins one of its name, a group takes its place. */
function addTo(definition: Definition, block: Block, instance: Instance): void {
  if (block.type === "group") {
    const group = instance as unknown as Group;
    const at = definition.groups.findIndex(({ name }) => name === group.name);
    if (at < 0) definition.groups.push(group);
    else definition.groups[at] = group;
    return;
  }
  const target = instance as unknown as Target;
  const known = definition.targets.find(({ name }) => name === target.name);
  if (known === undefined) definition.targets.push(target);
  else mergeTarget(known, target);
}

function listed(value: Value, type: Type | undefined): string | undefined {
  if (isNull(value)) return undefined;
  if (type === undefined && isPrimitive(value.type)) return asString(convertValue(value, STRING));
  const json = type?.kind === "dynamic" ? dynamicToJson(value) : valueToJson(value);
  return type?.kind === "string" ? json.replace(/^"+|"+$/g, "") : json;
}
