// Builds services' images by bake's own path, in this process: the project's document becomes targets as `slipway bake` makes them, with
// the names that its containers ask for. Counterpart: docker/compose pkg/compose/build_bake.go.

import { join } from "node:path";
import { readProject } from "../../frontends/compose/index.ts";
import { readOverrides, resolveTargets } from "../../frontends/bake/index.ts";
import { imageOf } from "../../running/projects/index.ts";
import { bake } from "../bake.ts";
import { checkTarget } from "../bake-checks.ts";
import { composeDefinition, targetName } from "../bake-compose.ts";
import { buildTargets } from "../bake-build.ts";
import { globalFlags } from "../command.ts";
import type { Invocation, Shell } from "../command.ts";
import { parseFlags } from "../flags.ts";
import type { LoadedProject } from "./load-project.ts";

export interface BuildServicesOptions {
  /** Words of bake's own command line. */
  readonly words?: readonly string[];
  /** `KEY.NAME=VALUE` as bake's `--set` has them, for every target. */
  readonly overrides?: readonly string[];
  readonly quiet?: boolean;
  /**
   * Images with a name of their own are made as a registry wants them, so that the digest that is tested is the one that is pushed.
   * Otherwise they are kept as the build left them, which is faster.
   */
  readonly forPush?: boolean;
}

/** Builds them, all at once. Resolves with the exit code, having said what is wrong. */
export async function buildServices(
  invocation: Invocation,
  loaded: LoadedProject,
  names: readonly string[],
  { words = [], overrides = [], quiet = false, forPush = false }: BuildServicesOptions = {},
): Promise<number> {
  const { project, document, host, environment } = loaded;
  // Whose folder paths start at is the project's.
  const shell = Object.create(invocation.shell, { cwd: { value: host.cwd } }) as Shell;
  const built = readProject(document, host, environment);
  const definition = composeDefinition(built);
  for (const service of built.services) {
    const target = definition.targets.find(({ name }) => name === targetName(service.name));
    const runs = project.services.get(service.name) ?? project.disabled.get(service.name);
    if (target === undefined || runs === undefined) continue;
    const image = imageOf(runs, project);
    target.tags = [image, ...(target.tags ?? []).filter((each) => each !== image)];
    if (forPush && runs.image !== "" && (target.output ?? []).length === 0) {
      target.output = [{ type: "image", attributes: { compression: "gzip" }, dest: "" }];
    }
    if ((target.platforms ?? []).length === 0 && runs.platform !== "") target.platforms = [runs.platform];
  }
  const wanted = names.map(targetName);
  const all = definition.targets.map(({ name }) => name);
  const resolved = resolveTargets(
    definition,
    wanted,
    readOverrides(
      overrides.map((each) => `*.${each}`),
      all,
      (name) => shell.env[name],
    ),
  );
  for (const target of resolved.targets.values()) checkTarget(target, shell);
  const { values } = parseFlags(
    [...bake.flags, ...globalFlags],
    // Never a builder elsewhere: what runs must be in this store.
    [
      ...(words.some((each) => each.startsWith("--builder")) ? [] : ["--builder=embedded"]),
      ...(quiet ? ["--progress=quiet"] : []),
      ...words,
    ],
  );
  return await buildTargets({ ...invocation, command: bake, flags: values, args: wanted, shell }, resolved);
}

/** Where a project's own records are. */
export function projectFolder(root: string, project: string): string {
  return join(root, "projects", project);
}
