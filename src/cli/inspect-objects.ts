// How `inspect` verbs print what they found.

import { goJson } from "../formats/oci/index.ts";
import type { GoStruct } from "./go-template.ts";

/** A list as docker indents it, four spaces a level, empty lists and maps on one line. */
export function prettyJson(objects: readonly GoStruct[]): string {
  return JSON.stringify(JSON.parse(goJson(objects.map((each) => each.toValue()))), undefined, 4);
}
