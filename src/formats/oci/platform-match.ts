// Which platforms may stand for a wanted one, and which of them is best. amd64/v3 runs v2, v1 and 386; arm64 runs arm; windows
// wants a build that its host can run. Counterpart: containerd/platforms compare.go, platform_windows_compat.go.

import { normalizePlatform } from "./platform.ts";
import type { Platform } from "./platform.ts";

/** Tells candidates that will do from those that won't, and orders them, best first. */
export interface PlatformMatcher {
  matches(candidate: Platform): boolean;
  /** A sort comparison: negative when `a` is the better one. Stable sorting keeps the given order among equals. */
  compare(a: Platform, b: Platform): number;
}

/** Takes the platform itself and, after it, what its machines run too. */
export function onlyMatcher(platform: Platform): PlatformMatcher {
  return new OrderedMatcher(platformsRunBy(normalizePlatform(platform)));
}

/** Takes the platform alone, variant included. */
export function strictMatcher(platform: Platform): PlatformMatcher {
  return new OrderedMatcher([normalizePlatform(platform)]);
}

class OrderedMatcher implements PlatformMatcher {
  readonly #wanted: readonly Platform[];

  constructor(wanted: readonly Platform[]) {
    this.#wanted = wanted.map(normalizePlatform);
  }

  matches(candidate: Platform): boolean {
    return this.#wanted.some((wanted) => accepts(wanted, candidate));
  }

  compare(a: Platform, b: Platform): number {
    for (const wanted of this.#wanted) {
      const forA = accepts(wanted, a);
      const forB = accepts(wanted, b);
      if (forA && forB) return features(b) - features(a);
      if (forA || forB) return forA ? -1 : 1;
    }
    if (features(a) + features(b) === 0) return 0;
    return this.compare(withoutFeatures(a), withoutFeatures(b));
  }
}

function accepts(wanted: Platform, candidate: Platform): boolean {
  const other = normalizePlatform(candidate);
  if (wanted.os !== other.os || wanted.architecture !== other.architecture || wanted.variant !== other.variant) {
    return false;
  }
  const needed = other.osFeatures ?? [];
  if (wanted.os !== "windows") return needed.every((each) => wanted.osFeatures?.includes(each));
  return (
    windowsRuns(wanted.osVersion ?? "", candidate.osVersion ?? "") &&
    needed.every((each) => each === "win32k" || wanted.osFeatures?.includes(each))
  );
}

function features(platform: Platform): number {
  return platform.osFeatures?.length ?? 0;
}

function withoutFeatures(platform: Platform): Platform {
  const { osFeatures: _, ...rest } = platform;
  return rest;
}

/** The platform, then what its machines run too, from best to worst. */
function platformsRunBy(platform: Platform): Platform[] {
  const { variant = "", architecture } = platform;
  const as = (arch: string, newVariant = ""): Platform => {
    const { variant: _, ...rest } = platform;
    return { ...rest, architecture: arch, ...(newVariant === "" ? {} : { variant: newVariant }) };
  };
  const level = /^v?\d{1,3}$/.test(variant) ? Number(variant.replace(/^v/, "")) : 0;
  const levelsBelow = (lowest: number): string[] =>
    Array.from({ length: Math.max(0, level - lowest) }, (_, at) => `v${level - 1 - at}`);
  switch (architecture) {
    case "amd64":
      return [platform, ...levelsBelow(1).map((each) => as("amd64", each)), as("386")];
    case "arm":
      return [platform, ...levelsBelow(5).map((each) => as("arm", each))];
    case "arm64": {
      const levels = arm64Levels(variant === "" ? "v8" : variant);
      if (levels === undefined) return [];
      const arm = { ...as("arm", "v8") };
      return [...levels.map((each) => as("arm64", each)), ...platformsRunBy(arm)];
    }
    default:
      return [platform];
  }
}

/** v9.x has all of v8.(x+5). */
function arm64Levels(variant: string): string[] | undefined {
  const match = /^v([89])(?:\.(\d))?$/.exec(variant);
  if (match === null) return undefined;
  const minor = Number(match[2] ?? "0");
  const down = (major: number, from: number): string[] =>
    Array.from({ length: from + 1 }, (_, at) => (from - at === 0 ? `v${major}` : `v${major}.${from - at}`));
  if (match[1] === "8") return down(8, minor);
  if (minor > 7) return undefined;
  return [...down(9, minor), ...down(8, Math.min(9, minor + 5))];
}

const LTSC_2022 = 20348;
const LTSC_2025 = 26100;

/** Whether a windows host runs containers of another version; an unknown version on either side is no obstacle. */
function windowsRuns(hostVersion: string, candidateVersion: string): boolean {
  const host = windowsVersion(hostVersion);
  if (candidateVersion === "" || (host.major === 0 && host.minor === 0 && host.build === 0)) return true;
  const candidate = windowsVersion(candidateVersion);
  if (host.major !== candidate.major || host.minor !== candidate.minor) return false;
  if (host.build < LTSC_2022) return host.build === candidate.build;
  const oldest = host.build > LTSC_2025 ? LTSC_2025 : LTSC_2022;
  return oldest <= candidate.build && candidate.build <= host.build;
}

function windowsVersion(text: string): { major: number; minor: number; build: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\..*)?$/s.exec(text);
  const [major, minor, build] = (match?.slice(1) ?? []).map(Number);
  if (
    major === undefined ||
    minor === undefined ||
    build === undefined ||
    major > 255 ||
    minor > 255 ||
    build > 65535
  ) {
    return { major: 0, minor: 0, build: 0 };
  }
  return { major, minor, build };
}
