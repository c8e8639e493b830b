// WORKDIR: changes the directory of later steps and makes sure that it exists.
// Counterpart: dispatchWorkdir of dockerfile2llb/convert.go.

import { parseOwnership } from "../../../graph/llb/index.ts";
import type { WorkdirCommand } from "../instructions/types.ts";
import type { Linter } from "../lint/linter.ts";
import { wrapError } from "../source-error.ts";
import { commit, stepOptions } from "./context.ts";
import type { Conversion } from "./context.ts";
import { isAbsolute, normalizeWorkdir, toSlash } from "./paths.ts";
import type { StageState } from "./stage-state.ts";

/** Sets the directory without a step; what a base image's config does. Returns the directory. @throws FrontendError */
export function setWorkdir(stage: StageState, path: string): string {
  const os = stage.platform?.os ?? "";
  let workdir: string;
  try {
    workdir = normalizeWorkdir(stage.image.config.workingDir, path, os);
  } catch (error) {
    throw wrapError(error, "normalizing workdir");
  }
  stage.image.config.workingDir = workdir;
  const dir = toSlash(workdir, os);
  stage.state = stage.state.inDir(dir);
  return dir;
}

/** @throws FrontendError */
export function applyWorkdir(conversion: Conversion, stage: StageState, command: WorkdirCommand, linter: Linter): void {
  if (!stage.workdirSet && !isAbsolute(command.path, stage.platform?.os ?? "")) {
    linter.run("WorkdirRelativePath", command.location, command.path);
  }
  stage.workdirSet = true;
  const dir = setWorkdir(stage, command.path);
  const { user } = stage.image.config;
  if (dir !== "/") {
    const options = stepOptions(conversion, stage, command.code, command.location);
    const { epoch } = conversion;
    stage.state = stage.state.file(
      [
        {
          kind: "mkdir",
          path: dir,
          mode: 0o755,
          makeParents: true,
          owner: user === "" ? undefined : parseOwnership(user),
          timestampNs: epoch === undefined ? undefined : BigInt.asIntN(64, epoch * 1_000_000_000n),
        },
      ],
      options,
    );
  }
  commit(conversion, stage.image, `WORKDIR ${dir}`, dir !== "/");
}
