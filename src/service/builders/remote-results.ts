// What a remote builder's gateway gives back, in the words of the Builder port.

import { BuildError } from "../../base/index.ts";
import type { gateway } from "../../formats/proto/index.ts";
import type { Converted } from "./builder.ts";

/** A frontend's answer to a question, by name. */
export function answers(result: gateway.Result | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(result?.metadata ?? {}).map(([name, bytes]) => [name, Buffer.from(bytes).toString("utf8")]),
  );
}

/** Definitions and image configs of the platforms. @throws BUILDER_LACKS where an old builder gives none. */
export function converted(result: gateway.Result | undefined): Converted {
  const metadata = result?.metadata ?? {};
  const platforms = metadata["refs.platforms"];
  const config = (key: string) => metadata[key] ?? new Uint8Array();
  if (result?.result.case === "refs") {
    const { Platforms: listed = [] } = (
      platforms === undefined ? {} : JSON.parse(Buffer.from(platforms).toString("utf8"))
    ) as { Platforms?: readonly { ID: string }[] };
    const { refs } = result.result.value;
    const keys = listed.length > 0 ? listed.map(({ ID }) => ID) : Object.keys(refs).toSorted();
    return {
      multiPlatform: true,
      builds: keys.flatMap((key) => {
        const definition = refs[key]?.def;
        return definition === undefined ? [] : [{ key, definition, config: config(`containerimage.config/${key}`) }];
      }),
    };
  }
  const definition = result?.result.case === "ref" ? result.result.value.def : undefined;
  if (definition === undefined) {
    throw new BuildError("the builder gives no definition of the target", {
      code: "BUILDER_LACKS",
      status: "Unimplemented",
      hint: "targets as contexts need BuildKit 0.8 or newer",
    });
  }
  return { multiPlatform: false, builds: [{ key: "", definition, config: config("containerimage.config") }] };
}
