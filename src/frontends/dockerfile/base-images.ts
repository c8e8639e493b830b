// The images that a Dockerfile's stages start from, as far as its text tells, without building anything: what a project's tool needs to
// know which image is made from which.

import { hostPlatform } from "../../formats/oci/index.ts";
import { defaultArgs, metaArgs } from "./convert/arguments.ts";
import { parseStages } from "./instructions/parse.ts";
import { DEFAULT_LINT_CONFIG, Linter } from "./lint/linter.ts";
import { parseDockerfile } from "./parse/parser.ts";
import { Lex } from "./shell/lex.ts";

/**
 * Names after FROM and COPY --from that are not stages of the same file, variables filled in, each once.
 * A file that can't be read so has none: building it says why.
 */
export function baseImages(dockerfile: Uint8Array, buildArgs: ReadonlyMap<string, string>): string[] {
  const names = new Set<string>();
  try {
    const file = parseDockerfile(dockerfile);
    const { stages, metaArgs: commands } = parseStages(file, new Linter(DEFAULT_LINT_CONFIG, undefined));
    const lex = new Lex({ escape: file.escape });
    const platform = hostPlatform();
    const { args } = metaArgs(defaultArgs(platform, platform, buildArgs, ""), lex, commands, buildArgs);
    const known = new Set<string>(["scratch", "context"]);
    for (const [index, stage] of stages.entries()) {
      const base = lex.expand(stage.baseName, args).result;
      if (!known.has(base.toLowerCase())) names.add(base);
      for (const command of stage.commands) {
        const from = "from" in command && typeof command.from === "string" ? command.from : "";
        if (from !== "" && !known.has(from.toLowerCase())) names.add(from);
      }
      known.add(String(index));
      if (stage.name !== "") known.add(stage.name.toLowerCase());
    }
  } catch {
    return [];
  }
  return [...names];
}
