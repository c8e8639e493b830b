// Platforms: parsing what users write, one spelling for each, and formatting. Matching is in platform-match.ts.
// Spec: OCI image-spec v1.1 image-index.md#platform-variants. Counterpart: containerd/platforms platforms.go, database.go.

import { BuildError } from "../../base/index.ts";
import { goQuote } from "./go-json.ts";

/** What a filesystem's programs run on. Optional fields are absent, never empty. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const OS = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;

const knownSystems = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const knownArchitectures = new Set(
  (
    "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le " +
    "ppc riscv riscv64 s390 s390x sparc sparc64 wasm"
  ).split(" "),
);

/**
 * Reads `os`, `arch`, `os/arch`, `os/arch/variant`, the os optionally as `os(version+feature)`.
 *
 * @throws INVALID_PLATFORM with containerd's own sentence.
 */
export function parsePlatform(text: string): Platform {
  if (text.includes("*")) throw invalid(`${goQuote(text)}: wildcards not yet supported`);
  const parts = text.split("/");
  if (parts.length > 4) parts.splice(3, parts.length - 3, parts.slice(3).join("/"));
  const [first, ...others] = parts as [string, ...string[]];
  const match = OS.exec(first);
  if (match === null) {
    throw invalid(
      `${goQuote(first)} is an invalid OS component of ${goQuote(text)}: ` +
        `OSAndVersion specifier component must match ${goQuote(OS.source)}`,
    );
  }
  const os = normalizeOs(match[1]!);
  const osVersion = decode(match[2] ?? "", text);
  const osFeatures = (match[3] ?? "").split("+").flatMap((each) => (each === "" ? [] : decode(each, text)));
  for (const part of others) {
    if (COMPONENT.test(part)) continue;
    throw invalid(
      `${goQuote(part)} is an invalid component of ${goQuote(text)}: ` +
        `platform specifier component must match ${goQuote(COMPONENT.source)}`,
    );
  }
  const make = (system: string, [architecture, variant]: readonly [string, string]): Platform =>
    compact({ os: system, architecture, variant, osVersion, osFeatures });
  const host = hostPlatform();
  switch (parts.length) {
    case 1: {
      if (knownSystems.has(os)) {
        return make(os, [
          host.architecture,
          host.architecture === "arm" && host.variant !== "v7" ? (host.variant ?? "") : "",
        ]);
      }
      const arch = withoutV7(normalizeArchitecture(first, ""));
      if (knownArchitectures.has(arch[0])) return make(host.os, arch);
      throw invalid(`${goQuote(text)}: unknown operating system or architecture`);
    }
    case 2:
      return make(os, withoutV7(normalizeArchitecture(parts[1]!, "")));
    case 3: {
      const arch = normalizeArchitecture(parts[1]!, parts[2]!);
      return make(os, arch[0] === "arm64" && arch[1] === "" ? ["arm64", "v8"] : arch);
    }
    default:
      throw invalid(`${goQuote(text)}: cannot parse platform specifier`);
  }
}

/** The one spelling of a platform: aliases resolved, default variants left out (arm64) or put in (arm), features sorted. */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, variant] = normalizeArchitecture(platform.architecture, platform.variant ?? "");
  const osFeatures = [...new Set(platform.osFeatures ?? [])].sort();
  return compact({ os: normalizeOs(platform.os), architecture, variant, osVersion: platform.osVersion, osFeatures });
}

/** `os/arch[/variant]`, or "unknown" without an os. */
export function formatPlatform(platform: Platform): string {
  return platform.os === "" ? "unknown" : join(platform.os, platform);
}

/** As {@link formatPlatform}, with version and features after the os: `windows(10.0.17763+feature)/amd64`. */
export function formatAllPlatform(platform: Platform): string {
  if (platform.os === "") return "unknown";
  const features = [...new Set(platform.osFeatures ?? [])].filter((each) => each !== "").sort();
  const inside = encode(platform.osVersion ?? "") + features.map((each) => `+${encode(each)}`).join("");
  return join(inside === "" ? platform.os : `${platform.os}(${inside})`, platform);
}

/** The platform of this machine, normalised. */
export function hostPlatform(): Platform {
  const systems: Record<string, string> = { win32: "windows", sunos: "solaris" };
  const architectures: Record<string, string> = { x64: "amd64", ia32: "386", ppc64: "ppc64le", mipsel: "mipsle" };
  const variables = process.config.variables as { readonly arm_version?: string };
  return normalizePlatform({
    os: systems[process.platform] ?? process.platform,
    architecture: architectures[process.arch] ?? process.arch,
    ...(process.arch === "arm" && variables.arm_version ? { variant: variables.arm_version } : {}),
  });
}

function normalizeOs(os: string): string {
  if (os === "") return hostPlatform().os;
  const lower = os.toLowerCase();
  return lower === "macos" ? "darwin" : lower;
}

function normalizeArchitecture(architecture: string, variant: string): readonly [string, string] {
  const arch = architecture.toLowerCase();
  const v = variant.toLowerCase();
  switch (arch) {
    case "i386":
      return ["386", ""];
    case "x86_64":
    case "x86-64":
    case "amd64":
      return ["amd64", v === "v1" ? "" : v];
    case "aarch64":
    case "arm64":
      if (["8", "v8", "v8.0"].includes(v)) return ["arm64", ""];
      return ["arm64", ["9", "9.0", "v9.0"].includes(v) ? "v9" : v];
    case "armhf":
      return ["arm", "v7"];
    case "armel":
      return ["arm", "v6"];
    case "arm":
      if (v === "") return ["arm", "v7"];
      return ["arm", ["5", "6", "7", "8"].includes(v) ? `v${v}` : v];
    default:
      return [arch, v];
  }
}

/** Parsing leaves 32-bit arm's default variant out. */
function withoutV7(arch: readonly [string, string]): readonly [string, string] {
  return arch[0] === "arm" && arch[1] === "v7" ? ["arm", ""] : arch;
}

function compact(parts: {
  os: string;
  architecture: string;
  variant: string;
  osVersion: string | undefined;
  osFeatures: readonly string[];
}): Platform {
  return {
    os: parts.os,
    architecture: parts.architecture,
    ...(parts.variant === "" ? {} : { variant: parts.variant }),
    ...(parts.osVersion ? { osVersion: parts.osVersion } : {}),
    ...(parts.osFeatures.length === 0 ? {} : { osFeatures: parts.osFeatures }),
  };
}

function join(os: string, { architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== "").join("/");
}

function encode(text: string): string {
  return text.replace(/[%+()/]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decode(text: string, whole: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`${goQuote(whole)} has an invalid OS version ${goQuote(text)}`);
  }
}

function invalid(message: string): BuildError {
  return new BuildError(`${message}: invalid argument`, { code: "INVALID_PLATFORM", status: "InvalidArgument" });
}
