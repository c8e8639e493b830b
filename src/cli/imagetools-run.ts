// Which of the two `slipway imagetools` is to do.

import { DockerCredentials, RegistryClient } from "../distribution/index.ts";
import { type Invocation, usageMessage } from "./command.ts";
import { createImage } from "./imagetools-create.ts";
import { inspectRegistryImage } from "./imagetools-inspect.ts";

/** Resolves with the exit code. @throws Error in buildx's words; REGISTRY_*, IMAGE_NOT_FOUND, INVALID_IMAGE. */
export async function runImagetools(invocation: Invocation): Promise<number> {
  const { args, command, flags } = invocation;
  const [verb, ...rest] = args;
  await using client = new RegistryClient({ credentials: new DockerCredentials() });
  switch (verb) {
    case "create":
      return await createImage(invocation, rest, client);
    case "inspect":
      if (rest.length !== 1)
        throw new Error(usageMessage(command, "slipway: 'slipway imagetools inspect' requires 1 argument"));
      if (flags.string("format") !== "" && flags.bool("raw")) throw new Error("format and raw cannot be used together");
      return await inspectRegistryImage(invocation, rest[0]!, client);
    default:
      throw new Error(usageMessage(command, `slipway imagetools: unknown command ${JSON.stringify(verb)}`));
  }
}
