// What a container may do: capabilities, seccomp, privileges, as docker's flags say it.
// Counterpart: moby/moby oci/caps, profiles/seccomp.

import { readFileSync } from "node:fs";
import { BuildError, messageOf } from "../../base/index.ts";
import { isCapability, ownCapabilities, sandboxCapabilities, seccompProfile } from "../../engine/executor/index.ts";
import type { ContainerConfig } from "./types.ts";

export interface Security {
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** Undefined is unconfined. */
  readonly seccomp: unknown;
  readonly privileged: boolean;
  /** `systempaths=unconfined`. */
  readonly openPaths: boolean;
  readonly warnings: readonly string[];
}

/** @throws SECURITY_OPTION, CAPABILITY_INVALID. */
export function securityOf(config: ContainerConfig): Security {
  const privileged = config.privileged ?? false;
  const own = ownCapabilities();
  const capabilities = capabilitiesOf(config, own);
  const warnings: string[] = [];
  let noNewPrivileges = false;
  let openPaths = privileged;
  let seccomp: unknown = privileged ? undefined : seccompProfile(capabilities);
  for (const text of config.securityOpt ?? []) {
    const at = text.search(/[=:]/);
    const [name, value] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    switch (name) {
      case "no-new-privileges":
        noNewPrivileges = value === "" || value === "true";
        break;
      case "seccomp":
        if (value === "unconfined") seccomp = undefined;
        else if (value !== "builtin" && value !== "") seccomp = readProfile(value, capabilities);
        break;
      case "systempaths":
        openPaths = openPaths || value === "unconfined";
        break;
      case "apparmor":
      case "label":
        if (value !== "unconfined" && value !== "disable")
          warnings.push(`--security-opt ${name}=${value} is not used: containers here have no such profile`);
        break;
      default:
        throw new BuildError(`invalid --security-opt: ${JSON.stringify(text.slice(0, 200))}`, {
          code: "SECURITY_OPTION",
          status: "InvalidArgument",
        });
    }
  }
  return { capabilities, noNewPrivileges, seccomp, privileged, openPaths, warnings };
}

function capabilitiesOf(config: ContainerConfig, own: readonly string[]): string[] {
  const add = (config.capAdd ?? []).map(normal);
  const drop = (config.capDrop ?? []).map(normal);
  if (config.privileged === true) return [...own];
  const wanted = new Set(drop.includes("ALL") ? [] : add.includes("ALL") ? own : sandboxCapabilities);
  for (const name of drop) wanted.delete(name);
  for (const name of add) if (name !== "ALL") wanted.add(name);
  // The machine may withhold some of the usual ones; one that was asked for by name is the runtime's to refuse.
  return [...wanted].filter((name) => own.includes(name) || add.includes(name));
}

function normal(text: string): string {
  const name = text.toUpperCase();
  if (name === "ALL") return name;
  const whole = name.startsWith("CAP_") ? name : `CAP_${name}`;
  if (isCapability(whole)) return whole;
  throw new BuildError(`invalid capability: ${JSON.stringify(text.slice(0, 100))}`, {
    code: "CAPABILITY_INVALID",
    status: "InvalidArgument",
  });
}

interface DockerRule {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly includes?: { readonly caps?: readonly string[]; readonly arches?: readonly string[] };
  readonly excludes?: { readonly caps?: readonly string[]; readonly arches?: readonly string[] };
  readonly [key: string]: unknown;
}

/** A profile in docker's form (rules by capability and architecture) or the runtime's own. */
function readProfile(path: string, capabilities: readonly string[]): unknown {
  let profile: Record<string, unknown>;
  try {
    profile = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    if (typeof profile !== "object" || profile === null) throw new Error("not an object");
  } catch (error) {
    throw new BuildError(`opening seccomp profile (${path}) failed: ${messageOf(error)}`, {
      code: "SECURITY_OPTION",
      status: "InvalidArgument",
      cause: error,
    });
  }
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const native = process.arch === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
  const { archMap, syscalls, ...rest } = profile;
  const map = (archMap ?? []) as readonly { architecture: string; subArchitectures?: readonly string[] }[];
  const own = map.find((each) => each.architecture === native);
  const rules = ((syscalls ?? []) as readonly DockerRule[]).filter(({ includes, excludes }) => {
    const has = (caps: readonly string[] | undefined) => (caps ?? []).every((cap) => capabilities.includes(cap));
    if (includes?.caps !== undefined && !has(includes.caps)) return false;
    if (includes?.arches !== undefined && !includes.arches.includes(architecture)) return false;
    if (excludes?.caps?.some((cap) => capabilities.includes(cap)) === true) return false;
    return excludes?.arches?.includes(architecture) !== true;
  });
  return {
    ...rest,
    ...(own === undefined ? {} : { architectures: [own.architecture, ...(own.subArchitectures ?? [])] }),
    syscalls: rules.map(({ name, names, includes: _includes, excludes: _excludes, comment: _comment, ...rule }) => ({
      ...rule,
      names: names ?? (name === undefined ? [] : [name]),
    })),
  };
}
