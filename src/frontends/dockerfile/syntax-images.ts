// Frontend images that the built-in frontend stands in for: the official releases of the language, whatever their version.

import { BuildError } from "../../base/index.ts";

const OFFICIAL =
  /^(?:(?:index\.)?docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** @throws SYNTAX_IMAGE for an image that is not an official Dockerfile frontend. */
export function requireBuiltIn(image: string): void {
  if (OFFICIAL.test(image)) return;
  throw new BuildError(`frontend image ${image} can't be run by this version of slipway`, {
    code: "SYNTAX_IMAGE",
    status: "Unimplemented",
    hint:
      "only the official Dockerfile frontends are served (docker/dockerfile); if the file is a plain Dockerfile, build it with " +
      "--build-arg BUILDKIT_SYNTAX=docker/dockerfile:1",
  });
}
