// Build arguments outside stages: the predefined ones about platforms, and the ARG instructions before the first FROM.
// Counterpart: defaultArgs, buildMetaArgs, proxyEnvFromBuildArgs of dockerfile2llb.

import { formatAllPlatform, formatPlatform } from "../../../formats/oci/index.ts";
import { compareBytes, EnvList } from "../../../graph/llb/index.ts";
import type { Platform, ProxyEnv } from "../../../graph/llb/index.ts";
import type { ArgCommand } from "../instructions/types.ts";
import type { Lex } from "../shell/lex.ts";
import { withLocation } from "../source-error.ts";
import type { ArgInfo } from "./outline.ts";

/** Arguments that are not part of a step's environment. */
export const NON_ENV_ARGS: ReadonlySet<string> = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);

/** The arguments that always exist. */
export function defaultArgs(
  build: Platform,
  target: Platform,
  overrides: ReadonlyMap<string, string>,
  targetStage: string,
): EnvList {
  const values: readonly (readonly [string, string])[] = [
    ["BUILDPLATFORM", formatPlatform(build)],
    ["BUILDOS", build.os],
    ["BUILDOSVERSION", build.osVersion ?? ""],
    ["BUILDARCH", build.architecture],
    ["BUILDVARIANT", build.variant ?? ""],
    ["TARGETPLATFORM", formatAllPlatform(target)],
    ["TARGETOS", target.os],
    ["TARGETOSVERSION", target.osVersion ?? ""],
    ["TARGETARCH", target.architecture],
    ["TARGETVARIANT", target.variant ?? ""],
    ["TARGETSTAGE", targetStage || "default"],
  ];
  return values.reduce((args, [key, value]) => args.set(key, overrides.get(key) ?? value), EnvList.empty);
}

/** Adds the ARG instructions before the first FROM. @throws FrontendError with lines */
export function metaArgs(
  start: EnvList,
  lex: Lex,
  commands: readonly ArgCommand[],
  buildArgs: ReadonlyMap<string, string>,
): { args: EnvList; infos: Map<string, ArgInfo> } {
  let args = start;
  const infos = new Map<string, ArgInfo>();
  for (const { args: pairs, location } of commands) {
    for (const pair of pairs) {
      const definition = { ...pair };
      const deps = new Set<string>();
      const given = buildArgs.get(pair.key);
      if (given !== undefined) definition.value = given;
      else if (pair.value !== undefined) {
        try {
          const { result, matched } = lex.expand(pair.value, args);
          definition.value = result;
          for (const name of matched) if (name !== pair.key) deps.add(name);
          if (matched.has(pair.key)) for (const name of infos.get(pair.key)?.deps ?? []) deps.add(name);
        } catch (error) {
          throw withLocation(error, location);
        }
      }
      if (definition.value !== undefined) args = args.set(definition.key, definition.value);
      infos.set(pair.key, { definition, value: definition.value ?? "", deps, location });
    }
  }
  return { args, infos };
}

/** Proxy settings among the build arguments, in any case; undefined when there is none. */
export function proxyEnvOf(buildArgs: ReadonlyMap<string, string>): ProxyEnv | undefined {
  const found = new Map<string, string>();
  for (const key of Array.from(buildArgs.keys()).sort(compareBytes)) {
    const lower = key.toLowerCase();
    if (/^(http|https|ftp|no|all)_proxy$/.test(lower)) found.set(lower, buildArgs.get(key)!);
  }
  if (found.size === 0) return undefined;
  const get = (name: string) => found.get(`${name}_proxy`) ?? "";
  return { http: get("http"), https: get("https"), ftp: get("ftp"), no: get("no"), all: get("all") };
}
