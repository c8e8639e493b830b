// Says why a value of one type can't become another, as a part of a sentence.
// Counterpart: zclconf/go-cty cty/convert/mismatch_msg.go.

import { findConversion } from "./conversions.ts";
import { equalTypes, hasDynamic, isCollection, isPrimitive, typeName } from "./types.ts";
import type { Type } from "./types.ts";
import { compareText } from "./value.ts";

/** For types that have no conversion. */
export function mismatchMessage(got: Type, want: Type): string {
  if (got.kind === "object" && want.kind === "object") return objects(got, want);
  if (isCollection(want) && !isCollection(got) && (got.kind === "tuple" || got.kind === "object")) {
    const fits = want.kind === "map" ? got.kind === "object" : got.kind === "tuple";
    if (fits && want.element.kind === "dynamic") return `all ${want.kind} elements must have the same type`;
    return fits ? structural(got, want.element) : required(want);
  }
  if (isCollection(got) && isCollection(want)) {
    const fits = want.kind === "map" ? got.kind === "map" : got.kind !== "map";
    if (!fits) return required(want);
    return `incorrect ${want.kind} element type: ${mismatchMessage(got.element, want.element)}`;
  }
  return confusing(got, want) ? required(want) : `${typeName(want)} required, but have ${typeName(got)}`;
}

function required(want: Type): string {
  return `${typeName(want, true)} required`;
}

function objects(got: Extract<Type, { kind: "object" }>, want: Extract<Type, { kind: "object" }>): string {
  const missing = [...want.attributes.keys()]
    .filter((name) => !got.attributes.has(name) && want.optional?.has(name) !== true)
    .sort(compareText)
    .map((name) => JSON.stringify(name));
  if (missing.length === 1) return `attribute ${missing[0]} is required`;
  if (missing.length === 2) return `attributes ${missing[0]} and ${missing[1]} are required`;
  if (missing.length > 2) return `attributes ${missing.slice(0, -1).join(", ")}, and ${missing.at(-1)} are required`;
  for (const unsafe of [true, false]) {
    for (const [name, type] of want.attributes) {
      const theirs = got.attributes.get(name);
      if (theirs === undefined || equalTypes(theirs, type) || findConversion(theirs, type, unsafe)) continue;
      return `attribute ${JSON.stringify(name)}: ${mismatchMessage(theirs, type)}`;
    }
  }
  return "incorrect object attributes";
}

function structural(got: Extract<Type, { kind: "object" | "tuple" }>, want: Type): string {
  const inner: (readonly [string, Type])[] =
    got.kind === "tuple"
      ? got.elements.map((type, at) => [String(at), type])
      : [...got.attributes].map(([name, type]) => [JSON.stringify(name), type]);
  const bad = inner.find(([, type]) => !equalTypes(type, want) && findConversion(type, want, true) === undefined);
  if (bad === undefined) return `all elements must be ${typeName(want, true)}`;
  return `element ${bad[0]}: ${mismatchMessage(bad[1], want)}`;
}

/** Types whose names alone would not tell a reader what is wrong. */
function confusing(got: Type, want: Type): boolean {
  if (isPrimitive(got) !== isPrimitive(want) || want.kind === "string") return false;
  if ((want.kind === "bool" && got.kind === "number") || (want.kind === "number" && got.kind === "bool")) return false;
  if (isCollection(got) && isCollection(want) && !hasDynamic(got.element) && hasDynamic(want.element)) return false;
  return !(got.kind === "tuple" && want.kind === "object");
}
