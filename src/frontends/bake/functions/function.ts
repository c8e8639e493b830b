// How the standard functions are written down, and readers of their arguments.

import type { HclFunction, Parameter } from "../evaluate/scope.ts";
import { FunctionError } from "../evaluate/scope.ts";
import { DYNAMIC, NUMBER, STRING, listOf, setOf } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { asNumber, asString, elementsOf } from "../values/value.ts";
import type { Value } from "../values/value.ts";

export const any = (name: string): Parameter => ({ name, type: DYNAMIC });
export const anyOrNull = (name: string): Parameter => ({ name, type: DYNAMIC, allowNull: true });
export const text = (name: string): Parameter => ({ name, type: STRING });
export const number = (name: string): Parameter => ({ name, type: NUMBER });
export const texts = (name: string): Parameter => ({ name, type: listOf(STRING) });
export const list = (name: string): Parameter => ({ name, type: listOf(DYNAMIC) });
export const set = (name: string): Parameter => ({ name, type: setOf(DYNAMIC) });

/** A function of a fixed number of arguments. */
export function define(
  parameters: readonly Parameter[],
  resultType: Type | undefined,
  call: (...args: Value[]) => Value,
): HclFunction {
  return { parameters, ...(resultType === undefined ? {} : { resultType }), call: (args) => call(...args) };
}

/** A function that takes further arguments after the first ones. */
export function defineVariadic(
  parameters: readonly Parameter[],
  variadic: Parameter,
  resultType: Type | undefined,
  call: (args: readonly Value[]) => Value,
): HclFunction {
  return { parameters, variadic, ...(resultType === undefined ? {} : { resultType }), call };
}

const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;

/** @throws FunctionError for what is no whole number of 64 bits. */
export function wholeNumber(value: Value, argument?: number, prefix = ""): number {
  const given = asNumber(value);
  const whole = given.isInteger ? given.truncate() : undefined;
  if (whole === undefined || whole < SMALLEST || whole > LARGEST) {
    throw new FunctionError(
      `${prefix}value must be a whole number, between ${SMALLEST} and ${LARGEST} inclusive`,
      argument,
    );
  }
  return Number(whole);
}

/** Texts of a list of strings. */
export function textsOf(value: Value): string[] {
  return elementsOf(value).map(([, each]) => asString(each));
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What readers see as characters. */
export function graphemes(text: string): string[] {
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

/** Text in double quotes, as messages show it. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
