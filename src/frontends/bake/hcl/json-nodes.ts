// The syntax tree of a JSON file, with positions.

import type { BigFloat } from "../values/big-float.ts";
import type { Range } from "./source.ts";

export interface JsonProperty {
  readonly name: string;
  readonly nameRange: Range;
  readonly value: JsonNode;
}

interface JsonBase {
  readonly range: Range;
  /** The opening bracket, where there is one. */
  readonly openRange?: Range;
}

export type JsonNode = JsonBase &
  (
    | { readonly kind: "object"; readonly properties: readonly JsonProperty[]; readonly closeRange: Range }
    | { readonly kind: "array"; readonly items: readonly JsonNode[] }
    | { readonly kind: "string"; readonly text: string }
    | { readonly kind: "number"; readonly number: BigFloat }
    | { readonly kind: "bool"; readonly value: boolean }
    | { readonly kind: "null" }
    /** Stands where a value could not be read. */
    | { readonly kind: "invalid" }
  );
