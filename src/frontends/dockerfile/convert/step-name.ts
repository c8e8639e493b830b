// Step names in progress: `[stage 2/5] RUN make`. Counterpart: prefixCommand of dockerfile2llb/convert.go.

import { formatAllPlatform as formatPlatform, normalizePlatform, parsePlatform } from "../../../formats/oci/index.ts";
import type { Platform } from "../../../graph/llb/index.ts";
import type { EnvGetter, Lex } from "../shell/lex.ts";
import type { StageState } from "./stage-state.ts";

/** `text` with the stage's next step number in front; counts the step. */
export function stepName(
  stage: StageState,
  text: string,
  context: { readonly multiPlatform: boolean; readonly platform: Platform | undefined; readonly env: EnvGetter },
): string {
  if (stage.commandTotal === 0) return text;
  let prefix = "[";
  if (context.multiPlatform && context.platform !== undefined) {
    prefix += `${formatPlatform(context.platform)}${crossSuffix(context.platform, targetOfEnv(context.env))} `;
  }
  if (stage.stageName !== "") prefix += `${stage.stageName} `;
  const total = String(stage.commandTotal);
  const index = String(++stage.commandIndex).padStart(total.length);
  return `${prefix}${index}/${total}] ${stage.currentIsOnbuild ? "ONBUILD " : ""}${text}`;
}

/** A source line with its variables expanded, or as it is when they cannot be. */
export function expandForDisplay(lex: Lex, text: string, env: EnvGetter): string {
  try {
    return lex.word(text, env);
  } catch {
    return text;
  }
}

/** The instruction word in upper case. */
export function uppercaseCommand(text: string): string {
  const space = text.indexOf(" ");
  return space < 0 ? text.toUpperCase() : text.slice(0, space).toUpperCase() + text.slice(space);
}

// "->arm64" when what is built differs from where it is built.
function crossSuffix(base: Platform, target: Partial<Platform> | undefined): string {
  if (target === undefined) return "";
  const full = normalizePlatform({
    ...target,
    os: target.os || base.os,
    architecture: target.architecture || base.architecture,
  });
  if (full.os !== base.os) return `->${formatPlatform(full)}`;
  if (full.architecture === base.architecture) return "";
  return `->${full.architecture}${full.variant ? `/${full.variant}` : ""}`;
}

function targetOfEnv(env: EnvGetter): Partial<Platform> | undefined {
  let target: { os?: string; architecture?: string; variant?: string } | undefined;
  for (const key of env.keys()) {
    if (!key.startsWith("TARGET")) continue;
    const value = env.get(key) ?? "";
    if (key === "TARGETPLATFORM") {
      try {
        return parsePlatform(value);
      } catch {
        continue;
      }
    }
    if (key === "TARGETOS") target = { ...target, os: value };
    else if (key === "TARGETARCH") target = { ...target, architecture: value };
    else if (key === "TARGETVARIANT") target = { ...target, variant: value };
  }
  return target;
}
