// The subrequest `frontend.targets`: the stages of a Dockerfile. Counterpart: moby/buildkit frontend/subrequests/targets.

import type { Entrypoint } from "../context/client.ts";
import { parseStages } from "../instructions/parse.ts";
import { DEFAULT_LINT_CONFIG, Linter } from "../lint/linter.ts";
import { parseDockerfile } from "../parse/parser.ts";
import { indentedJson, locationJson } from "./json.ts";
import { textTable } from "./text-table.ts";

/** @throws FrontendError when the Dockerfile cannot be parsed */
export function targetsSubrequest({ file }: Entrypoint): Map<string, string> {
  const { stages } = parseStages(parseDockerfile(file.data), new Linter(DEFAULT_LINT_CONFIG, undefined));
  const targets = stages.map((stage, index) => ({ ...stage, isDefault: index === stages.length - 1 }));
  const json = indentedJson({
    targets: targets.map(({ name, isDefault, docComment, baseName, platform, location }) => ({
      ...(name === "" ? {} : { name }),
      ...(isDefault ? { default: true } : {}),
      ...(docComment === "" ? {} : { description: docComment }),
      ...(baseName === "" ? {} : { base: baseName }),
      ...(platform === "" ? {} : { platform }),
      ...locationJson(location),
    })),
    sources: [Buffer.from(file.data).toString("base64")],
  });
  const rows = targets.map(({ name, isDefault, docComment }) => [
    isDefault ? (name === "" ? "(default)" : `${name} (default)`) : name,
    docComment,
  ]);
  return new Map([
    ["result.json", json],
    ["result.txt", textTable([["TARGET", "DESCRIPTION"], ...rows], 1)],
    ["version", "1.0.0"],
  ]);
}
