// The standard library of bake files. Names and meaning are those of docker/buildx bake/hclparser/stdlib.go.

import type { HclFunction } from "../evaluate/scope.ts";
import { collectionFunctions } from "./collections.ts";
import { encodingFunctions } from "./encoding.ts";
import { formatFunctions } from "./format.ts";
import { generalFunctions } from "./general.ts";
import { networkFunctions } from "./network.ts";
import { numberFunctions } from "./numbers.ts";
import { regexFunctions } from "./regex.ts";
import { setFunctions } from "./sets.ts";
import { stringFunctions } from "./strings.ts";
import { timeFunctions } from "./time.ts";

/** By name. */
export function standardFunctions(): Map<string, HclFunction> {
  return new Map(
    [
      collectionFunctions,
      encodingFunctions,
      formatFunctions,
      generalFunctions,
      networkFunctions,
      numberFunctions,
      regexFunctions,
      setFunctions,
      stringFunctions,
      timeFunctions,
    ].flatMap((functions) => Object.entries(functions)),
  );
}
