// Regular expressions with RE2's syntax and its linear time. Counterpart: zclconf/go-cty cty/function/stdlib regexp.go.

import { RE2JS } from "re2js";
import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { STRING, objectOf, tupleOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { asString, listValue, nullOf, objectValue, stringValue, tupleValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { define, text } from "./function.ts";

export const regexFunctions: Readonly<Record<string, HclFunction>> = {
  regex: define([text("pattern"), text("string")], undefined, (pattern, string) => {
    const compiled = compile(asString(pattern), 0);
    const matcher = compiled.pattern.matcher(asString(string));
    if (!matcher.find()) throw new FunctionError("pattern did not match any part of the given string");
    return matchValue(compiled, matcher);
  }),
  regexall: define([text("pattern"), text("string")], undefined, (pattern, string) => {
    const compiled = compile(asString(pattern), 0);
    const matcher = compiled.pattern.matcher(asString(string));
    const found: Value[] = [];
    while (matcher.find()) found.push(matchValue(compiled, matcher));
    return listValue(found, compiled.type);
  }),
  regex_replace: define([text("str"), text("pattern"), text("replace")], STRING, (str, pattern, replacement) =>
    stringValue(replaceAll(asString(str), asString(pattern), asString(replacement))),
  ),
};

type Matcher = ReturnType<RE2JS["matcher"]>;

interface Compiled {
  readonly pattern: RE2JS;
  /** One for each group; empty for those without. */
  readonly names: readonly string[];
  readonly type: Type;
}

function compilePattern(given: string, argument?: number): RE2JS {
  try {
    return RE2JS.compile(given);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error);
    throw new FunctionError(`invalid regexp pattern: ${why}`, argument);
  }
}

function compile(given: string, argument: number): Compiled {
  const pattern = compilePattern(given, argument);
  const names = groupNames(pattern);
  const named = names.filter((name) => name !== "");
  if (named.length > 0 && named.length < names.length) {
    throw new FunctionError("invalid regexp pattern: cannot mix both named and unnamed capture groups", argument);
  }
  const type =
    names.length === 0
      ? STRING
      : named.length > 0
        ? objectOf(new Map(named.map((name) => [name, STRING])))
        : tupleOf(names.map(() => STRING));
  return { pattern, names, type };
}

function groupNames(pattern: RE2JS): string[] {
  const names = Array<string>(pattern.groupCount()).fill("");
  for (const [name, group] of Object.entries(pattern.namedGroups())) names[group - 1] = name;
  return names;
}

function matchValue({ names, type }: Compiled, matcher: Matcher): Value {
  if (type.kind === "string") return stringValue(matcher.group() ?? "");
  const groups = names.map((_, at) => {
    const found = matcher.group(at + 1);
    return found === null || found === undefined ? nullOf(STRING) : stringValue(found);
  });
  return type.kind === "tuple" ? tupleValue(groups) : objectValue(names.map((name, at) => [name, groups[at]!]));
}

/** In a replacement `$name` takes the longest name, `${name}` is exact, `$$` is a dollar. */
function replaceAll(given: string, patternText: string, replacement: string): string {
  const pattern = compilePattern(patternText);
  const names = groupNames(pattern);
  const matcher = pattern.matcher(given);
  let result = "";
  let last = 0;
  while (matcher.find()) {
    result += given.slice(last, matcher.start());
    result += replacement.replace(/\$\$|\$(\w+)|\$\{(\w+)\}/g, (whole, bare?: string, braced?: string) => {
      if (whole === "$$") return "$";
      const name = bare ?? braced ?? "";
      const group = /^\d+$/.test(name) ? Number(name) : names.indexOf(name) + 1;
      if (group > names.length || (group === 0 && name !== "0")) return "";
      return matcher.group(group) ?? "";
    });
    last = matcher.end();
  }
  return result + given.slice(last);
}
