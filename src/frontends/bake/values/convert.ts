// Converts a value, or says why that can't be done.

import { ConversionError, MismatchError, convertKnown } from "./conversions.ts";
import { mismatchMessage } from "./mismatch.ts";
import type { Type } from "./types.ts";
import type { Value } from "./value.ts";

export { ConversionError } from "./conversions.ts";

/** @throws ConversionError whose message is a part of a sentence. */
export function convertValue(value: Value, to: Type): Value {
  try {
    return convertKnown(value, to);
  } catch (error) {
    if (error instanceof MismatchError) throw new ConversionError(mismatchMessage(error.got, error.want));
    throw error;
  }
}

/** The value as `to`, or undefined. */
export function tryConvert(value: Value, to: Type): Value | undefined {
  try {
    return convertValue(value, to);
  } catch (error) {
    if (error instanceof ConversionError) return undefined;
    throw error;
  }
}
