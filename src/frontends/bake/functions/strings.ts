// Functions of text. Characters are grapheme clusters. Counterpart: zclconf/go-cty cty/function/stdlib string.go.

import { posix } from "node:path";
import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { BOOL, NUMBER, STRING, listOf } from "../values/types.ts";
import {
  asNumber,
  asString,
  boolValue,
  compareText,
  elementsOf,
  isNull,
  listValue,
  numberValue,
  stringValue,
} from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { define, defineVariadic, graphemes, number, text, texts, wholeNumber } from "./function.ts";
import { semverSatisfies } from "./semver.ts";

/** From texts to a text. */
function ofText(names: readonly string[], make: (...given: string[]) => string): HclFunction {
  return define(names.map(text), STRING, (...args) => stringValue(make(...args.map(asString))));
}

/** Characters change case one by one, as in Go: those that would become several stay. */
function eachChar(text: string, change: (char: string) => string): string {
  return Array.from(text, change).join("");
}

function upperChar(char: string): string {
  const upper = char.toUpperCase();
  return Array.from(upper).length === 1 ? upper : char;
}

const SPACE = "[\\s\\u0085]";

export const stringFunctions: Readonly<Record<string, HclFunction>> = {
  basename: ofText(["path"], (path) => (path === "" ? "." : /^\/+$/.test(path) ? "/" : posix.basename(path))),
  chomp: ofText(["str"], (str) => str.replace(/(?:\r\n?|\n)*$/, "")),
  dirname: ofText(["path"], (path) =>
    posix.normalize(path.slice(0, path.lastIndexOf("/") + 1) || ".").replace(/(.)\/$/, "$1"),
  ),
  indent: define([number("spaces"), text("str")], STRING, (spaces, str) => {
    const count = wholeNumber(spaces);
    if (count < 0) throw new FunctionError("spaces must not be negative");
    return stringValue(asString(str).replaceAll("\n", `\n${" ".repeat(count)}`));
  }),
  join: defineVariadic([text("separator")], texts("lists"), STRING, join),
  lower: ofText(["str"], (str) => eachChar(str, (char) => String.fromCodePoint(char.toLowerCase().codePointAt(0)!))),
  replace: ofText(["str", "substr", "replace"], (str, substr, replacement) =>
    substr === ""
      ? Array.from(str).reduce((all, each) => all + each + replacement, replacement)
      : str.replaceAll(substr, () => replacement),
  ),
  reverse: ofText(["str"], (str) => graphemes(str).reverse().join("")),
  sanitize: ofText(["name"], (name) => name.replace(/[^a-zA-Z0-9_-]/gu, "_")),
  semvercmp: define([text("version"), text("contraint")], BOOL, (version, constraint) =>
    boolValue(semverSatisfies(asString(version), asString(constraint))),
  ),
  sort: define([texts("list")], listOf(STRING), (values) => {
    const strings = elementsOf(values).map(([key, each]) => {
      if (!isNull(each)) return asString(each);
      throw new FunctionError(`given list element ${asNumber(key).toString()} is null; a null string cannot be sorted`);
    });
    return listValue(strings.sort(compareText).map(stringValue), STRING);
  }),
  split: define([text("separator"), text("str")], listOf(STRING), (separator, str) => {
    const parts = asString(separator) === "" ? Array.from(asString(str)) : asString(str).split(asString(separator));
    return listValue(parts.map(stringValue), STRING);
  }),
  strlen: define([text("str")], NUMBER, (str) => numberValue(graphemes(asString(str)).length)),
  substr: define([text("str"), number("offset"), number("length")], STRING, substring),
  title: ofText(["str"], (str) => str.replace(/(?<![\p{L}\p{N}_'])\p{L}/gu, (letter) => letter.toUpperCase())),
  trim: ofText(["str", "cutset"], (str, cutset) => {
    const cut = new Set(cutset);
    const chars = Array.from(str);
    let [start, end] = [0, chars.length];
    while (start < end && cut.has(chars[start]!)) start++;
    while (end > start && cut.has(chars[end - 1]!)) end--;
    return chars.slice(start, end).join("");
  }),
  trimprefix: ofText(["str", "prefix"], (str, prefix) => (str.startsWith(prefix) ? str.slice(prefix.length) : str)),
  trimspace: ofText(["str"], (str) =>
    str.replace(new RegExp(`^${SPACE}+`, "u"), "").replace(new RegExp(`${SPACE}+$`, "u"), ""),
  ),
  trimsuffix: ofText(["str", "suffix"], (str, suffix) =>
    suffix !== "" && str.endsWith(suffix) ? str.slice(0, -suffix.length) : str,
  ),
  upper: ofText(["str"], (str) => eachChar(str, upperChar)),
};

function join(args: readonly Value[]): Value {
  const [separator, ...lists] = args;
  if (lists.length === 0) throw new FunctionError("at least one list is required");
  const items = lists.flatMap((each, at) =>
    elementsOf(each).map(([, item], index) => {
      if (!isNull(item)) return asString(item);
      const where = lists.length > 1 ? `element ${index} of list ${at + 1}` : `element ${index}`;
      throw new FunctionError(`${where} is null; cannot concatenate null values`, at + 1);
    }),
  );
  return stringValue(items.join(asString(separator!)));
}

/** A negative offset counts from the end; a negative length means all the rest. */
function substring(str: Value, offsetValue: Value, lengthValue: Value): Value {
  const chars = graphemes(asString(str));
  let offset = wholeNumber(offsetValue);
  const length = wholeNumber(lengthValue);
  if (offset < 0) offset += chars.length;
  else if (length === 0) return stringValue("");
  const rest = offset > 0 ? chars.slice(offset) : chars;
  // Length zero behind a negative offset takes everything, as go-cty has it.
  return stringValue((length > 0 ? rest.slice(0, length) : rest).join(""));
}
