// The frontend attributes of a Dockerfile build, read and checked once.
// Counterpart: moby/buildkit frontend/dockerui {attr,config}.go.

import { isIP } from "node:net";
import { create } from "@bufbuild/protobuf";
import { messageOf } from "../../../base/index.ts";
import { formatAllPlatform, normalizePlatform, parsePlatform } from "../../../formats/oci/index.ts";
import { trimSpace } from "../../../formats/patterns/index.ts";
import { pb } from "../../../formats/proto/index.ts";
import { Cap, defaultPlatform } from "../../../graph/llb/index.ts";
import type { Platform, ResolveMode } from "../../../graph/llb/index.ts";
import type { GatewayClient } from "../../gateway/index.ts";
import { quote } from "../go/format.ts";
import { parseInteger, parseUnsigned, tryParseBool } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { csvFields } from "../instructions/csv.ts";
import { parseUlimit } from "../instructions/units.ts";
import type { Ulimit } from "../instructions/units.ts";
import { parseLintOptions } from "../lint/linter.ts";
import type { LintConfig } from "../lint/linter.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import { parseAddress } from "./address.ts";

type Options = Readonly<Record<string, string | undefined>>;

export interface BuildConfig {
  /** "" means the last stage. */
  readonly target: string;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
  readonly cacheIdNamespace: string;
  readonly cgroupParent: string;
  readonly extraHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly hostname: string;
  readonly resolveMode: ResolveMode;
  readonly network: pb.NetMode;
  readonly shmSize: bigint;
  readonly ulimits: readonly Ulimit[];
  readonly linuxResources: pb.LinuxResources | undefined;
  /** Stage names; empty means all, undefined none. */
  readonly noCache: readonly string[] | undefined;
  readonly lint: LintConfig | undefined;
  readonly targetPlatforms: readonly Platform[];
  readonly buildPlatforms: readonly Platform[];
  readonly multiPlatform: boolean;
}

/** Reads the attributes. @throws FrontendError with BuildKit's sentences */
export function readConfig(client: GatewayClient): BuildConfig {
  const options: Options = client.options;
  checkRequirements(client, options);
  const targetPlatforms = options["platform"] ? parsePlatformList(options["platform"]) : [];
  const workerPlatform = client.workerPlatforms[0];
  const resolveMode = parseResolveMode(options["image-resolve-mode"] ?? "");
  const extraHosts = within("failed to parse additional hosts", () => parseExtraHosts(options["add-hosts"] ?? ""));
  const shmSize = within("failed to parse shm size", () => parseShmSize(options["shm-size"] ?? ""));
  const ulimits = within("failed to parse ulimit", () => parseUlimits(options["ulimit"] ?? ""));
  const linuxResources = within("failed to parse resource limits", () => parseResources(options));
  const network = parseNetwork(options["force-network-mode"] ?? "");
  const noCache = options["no-cache"];
  const multiPlatform = parseMultiPlatform(options, targetPlatforms.length > 1);
  const lintOption = options["build-arg:BUILDKIT_DOCKERFILE_CHECK"];
  return {
    target: options["target"] ?? "",
    buildArgs: withPrefix(options, "build-arg:"),
    labels: withPrefix(options, "label:"),
    cacheIdNamespace: options["build-arg:BUILDKIT_CACHE_MOUNT_NS"] ?? "",
    cgroupParent: options["cgroup-parent"] ?? "",
    extraHosts,
    hostname: options["build-arg:BUILDKIT_SANDBOX_HOSTNAME"] || (options["hostname"] ?? ""),
    resolveMode,
    network,
    shmSize,
    ulimits,
    linuxResources,
    noCache: noCache === undefined ? undefined : noCache === "" ? [] : noCache.split(","),
    lint:
      lintOption === undefined
        ? undefined
        : within("failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK", () => parseLintOptions(lintOption)),
    targetPlatforms,
    buildPlatforms: [workerPlatform ?? defaultPlatform()],
    multiPlatform,
  };
}

function within<T>(prefix: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw wrapError(error, prefix);
  }
}

function checkRequirements(client: GatewayClient, options: Options): void {
  if (!client.supports(Cap.fileBase)) {
    throw new FrontendError("needs BuildKit 0.5 or later: unknown API capability file.base");
  }
  if (options["override-copy-image"]) {
    throw new FrontendError('support for "override-copy-image" was removed in BuildKit 0.11');
  }
  if (tryParseBool(options["build-arg:BUILDKIT_DISABLE_FILEOP"] ?? "") === true) {
    throw new FrontendError('support for "BUILDKIT_DISABLE_FILEOP" build-arg was removed in BuildKit 0.11');
  }
}

/** Options with a prefix, by what follows it. */
export function withPrefix(options: Options, prefix: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith(prefix) && value !== undefined) found.set(key.slice(prefix.length), value);
  }
  return found;
}

/** A comma list of platforms, normalised. @throws FrontendError */
export function parsePlatformList(text: string): Platform[] {
  return text.split(",").map((part) => {
    try {
      return normalizePlatform(parsePlatform(part));
    } catch (error) {
      throw new FrontendError(`failed to parse target platform ${part}: ${messageOf(error)}`, { cause: error });
    }
  });
}

function parseResolveMode(text: string): ResolveMode {
  if (text === "" || text === "default") return "default";
  if (text === "pull" || text === "local") return text;
  throw new FrontendError(`invalid image-resolve-mode: ${text}`);
}

/** `host=ip` pairs. @throws FrontendError */
export function parseExtraHosts(text: string): { host: string; ip: string }[] {
  if (text === "") return [];
  return csvFields(text).map((field) => {
    const { before: host, after, found } = cut(field.toLowerCase(), "=");
    if (!found) throw new FrontendError(`invalid key-value pair ${field}`);
    const ip = isIP(after) === 0 ? undefined : parseAddress(after);
    if (ip === undefined) throw new FrontendError(`failed to parse IP ${after}`);
    return { host, ip };
  });
}

/** @throws FrontendError */
export function parseShmSize(text: string): bigint {
  return text === "" ? 0n : parseInteger(text, 10, 64);
}

/** @throws FrontendError */
export function parseUlimits(text: string): Ulimit[] {
  return text === "" ? [] : csvFields(text).map(parseUlimit);
}

/** @throws FrontendError `invalid netmode …` */
export function parseNetwork(text: string): pb.NetMode {
  if (text === "" || text === "sandbox") return pb.NetMode.UNSET;
  if (text === "none") return pb.NetMode.NONE;
  if (text === "host") return pb.NetMode.HOST;
  throw new FrontendError(`invalid netmode ${text}`);
}

/** Memory and processor limits; undefined when none is given. @throws FrontendError */
export function parseResources(options: Options): pb.LinuxResources | undefined {
  const resources = create(pb.LinuxResourcesSchema);
  let given = false;
  const read = (key: string, parse: (text: string) => bigint, isValid: (value: bigint) => boolean, rule: string) => {
    const text = options[key] ?? "";
    if (text === "") return 0n;
    given = true;
    const value = within(`invalid ${key} value: ${text}`, () => parse(text));
    if (!isValid(value)) throw new FrontendError(`invalid ${key} value: ${text}: must be ${rule}`);
    return value;
  };
  const signed = (text: string) => parseInteger(text, 10, 64);
  const unsigned = (text: string) => parseUnsigned(text, 10, 64);
  const positive = (value: bigint) => value > 0n;
  resources.memory = read("memory", signed, positive, "> 0");
  const swap = (value: bigint) => value >= -1n && value !== 0n;
  resources.memorySwap = read("memswap", signed, swap, "-1 (unlimited) or > 0");
  resources.cpuShares = read("cpushares", unsigned, positive, "> 0");
  resources.cpuPeriod = read("cpuperiod", unsigned, positive, "> 0");
  resources.cpuQuota = read("cpuquota", signed, positive, "> 0");
  for (const [key, field] of [
    ["cpusetcpus", "cpusetCpus"],
    ["cpusetmems", "cpusetMems"],
  ] as const) {
    const text = options[key] ?? "";
    if (text === "") continue;
    given = true;
    within(`invalid ${key} value: ${text}`, () => checkCpuSet(text));
    resources[field] = text;
  }
  return given ? resources : undefined;
}

const MAX_CPU = 8192;

// `0-3,7`, a list of numbers and ranges.
function checkCpuSet(text: string): void {
  for (const raw of text.split(",")) {
    const part = trimSpace(raw);
    if (part === "") continue;
    const { before, after, found } = cut(part, "-");
    const low = found ? trimSpace(before) : part;
    const high = found ? trimSpace(after) : part;
    const what = found ? "range" : "element";
    if (!/^[+-]?\d+$/.test(low) || !/^[+-]?\d+$/.test(high) || Number(low) < 0 || Number(high) < Number(low)) {
      throw new FrontendError(`invalid cpuset ${what} ${quote(part)}`);
    }
    if (Number(high) > MAX_CPU) throw new FrontendError(`cpuset ${what} ${quote(part)} exceeds maximum ${MAX_CPU}`);
  }
}

function parseMultiPlatform(options: Options, several: boolean): boolean {
  const text = options["build-arg:BUILDKIT_MULTI_PLATFORM"] || (options["multi-platform"] ?? "");
  if (text === "") return several;
  const value = tryParseBool(text);
  if (value === undefined) throw new FrontendError(`invalid boolean value for multi-platform: ${text}`);
  if (!value && several) {
    throw new FrontendError("conflicting config: returning multiple target platforms is not allowed");
  }
  return value;
}

/** The key of a platform's result. */
export function platformKey(platform: Platform): string {
  return formatAllPlatform(normalizePlatform(platform));
}
