// Functions of sets. Counterpart: zclconf/go-cty cty/function/stdlib set.go.

import { FunctionError } from "../evaluate/scope.ts";
import type { HclFunction } from "../evaluate/scope.ts";
import { convertValue } from "../values/convert.ts";
import { unify } from "../values/conversions.ts";
import { BOOL, DYNAMIC, equalTypes, setOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { asElements, boolValue, lengthOf, rawEquals, setValue } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { any, define, defineVariadic, set } from "./function.ts";

type Operation = (a: readonly Value[], b: readonly Value[]) => Value[];

const has = (values: readonly Value[], value: Value) => values.some((each) => rawEquals(each, value));
const subtract: Operation = (a, b) => a.filter((each) => !has(b, each));

export const setFunctions: Readonly<Record<string, HclFunction>> = {
  sethaselement: define([set("set"), any("elem")], BOOL, (values, value) => {
    const { type } = values;
    if (type.kind === "set" && type.element.kind !== "dynamic" && !equalTypes(type.element, value.type))
      return boolValue(false);
    return boolValue(has(asElements(values), value));
  }),
  setintersection: operation((a, b) => a.filter((each) => has(b, each))),
  setsubtract: define([set("a"), set("b")], undefined, (a, b) => combine([a, b], subtract)),
  setsymmetricdifference: operation((a, b) => [...subtract(a, b), ...subtract(b, a)]),
  setunion: operation((a, b) => [...a, ...b]),
};

function operation(of: Operation): HclFunction {
  return defineVariadic([set("first_set")], set("other_sets"), undefined, (sets) => combine(sets, of));
}

function combine(sets: readonly Value[], of: Operation): Value {
  const element = commonElement(sets);
  const [first, ...more] = sets.map((each) => asElements(convertValue(each, setOf(element))));
  return setValue(
    more.reduce<readonly Value[]>((result, each) => of(result, each), first!),
    element,
  );
}

function commonElement(sets: readonly Value[]): Type {
  const types = sets.flatMap((each): Type[] => {
    if (each.type.kind !== "set") return [];
    return lengthOf(each) === 0 && each.type.element.kind === "dynamic" ? [] : [each.type.element];
  });
  if (types.length === 0) return DYNAMIC;
  const unified = unify(types, true);
  if (unified === undefined) throw new FunctionError("given sets must all have compatible element types");
  return unified.type;
}
