// Finds RUN steps whose platform this machine can't run, before anything is run: an hour into a build is a bad moment to learn it.
// Differs: BuildKit starts them and reports `exec format error`.

import { formatAllPlatform, normalizePlatform } from "../../formats/oci/index.ts";
import { decodeDefinition } from "../../graph/llb/index.ts";
import type { FrontendResult } from "../../frontends/gateway/index.ts";
import { canRun, cannotRun } from "../executor/index.ts";
import { SourceMaps } from "../ops/index.ts";

/** @throws FOREIGN_PLATFORM with the step's lines for the first step that can't run here. */
export function refuseForeignSteps({ builds }: FrontendResult): void {
  const answers = new Map<string, boolean>();
  for (const { definition } of builds) {
    const { ops, sourceMap } = decodeDefinition(definition);
    for (const { op, digest, metadata } of ops) {
      if (op.op.case !== "exec" || op.platform === undefined) continue;
      const { OS, Architecture, Variant } = op.platform;
      const platform = normalizePlatform({
        os: OS,
        architecture: Architecture,
        ...(Variant ? { variant: Variant } : {}),
      });
      const name = formatAllPlatform(platform);
      if (!answers.has(name)) answers.set(name, canRun(platform));
      if (answers.get(name) === true) continue;
      const sources = new SourceMaps();
      if (sourceMap !== undefined) sources.add(sourceMap, new Map());
      const step = metadata.description["llb.customname"] ?? op.op.value.meta?.args.join(" ") ?? "a step";
      throw cannotRun(step, platform).with({ vertex: digest, sources: sources.of(digest) });
    }
  }
}
