// The Dockerfile frontend as a whole: reads the Dockerfile through the gateway, converts it for every platform that was asked
// for, and turns errors into ones that point at lines. Counterpart: moby/buildkit frontend/dockerfile/builder.

import { BuildError, isAbort, isBuildError, messageOf, TaskScope } from "../../base/index.ts";
import { marshalState } from "../../graph/llb/index.ts";
import type { Output, Platform, SourceMapFile } from "../../graph/llb/index.ts";
import { formatAllPlatform, hostPlatform, normalizePlatform } from "../../formats/oci/index.ts";
import { openScanner, parseAttestations } from "../gateway/index.ts";
import type { Frontend, FrontendResult, GatewayClient, PlatformResult, Scanner } from "../gateway/index.ts";
import { BuildClient, spanOf } from "./context/client.ts";
import type { Entrypoint } from "./context/client.ts";
import type { Conversion } from "./convert/context.ts";
import { convert } from "./convert/convert.ts";
import { encodeImage } from "./convert/image.ts";
import type { Image } from "./convert/image.ts";
import { reachableFrom, type StageState } from "./convert/stage-state.ts";
import type { LintWarning } from "./lint/linter.ts";
import { detectSyntax } from "./parse/directives.ts";
import { FrontendError, wrapError } from "./source-error.ts";
import { answerSubrequest } from "./subrequests/index.ts";
import type { Location } from "./source-error.ts";

/**
 * Builds a Dockerfile. Reads `local://dockerfile` and `local://context` (or what the attributes name) through the gateway.
 * @throws BuildError code DOCKERFILE (or that of what went wrong underneath) with BuildKit's sentence and one source span for
 *   each place the error passed.
 */
export const dockerfileFrontend: Frontend = async (gateway, signal) => {
  let entrypoint: Entrypoint | undefined;
  try {
    const client = new BuildClient(gateway);
    const missingCap = checkFrontendCaps(gateway);
    entrypoint = await client.readEntrypoint("Dockerfile", signal);
    const forwarded = await forwardToSyntax(gateway, entrypoint, signal);
    if (forwarded !== undefined) return forwarded;
    if (missingCap !== undefined) throw missingCap;
    const answer = await answerSubrequest(client, entrypoint, signal);
    if (answer === undefined) return await build(client, entrypoint, signal);
    const metadata = new Map(Array.from(answer, ([key, value]) => [key, new TextEncoder().encode(value)]));
    return { builds: [], multiPlatform: false, metadata };
  } catch (error) {
    throw toBuildError(error, entrypoint?.file);
  }
};

const FRONTEND_CAPS = new Set(["inputs", "subrequests", "contexts", "gitquerystring"]);

// A `+forward` behind a capability leaves it to the frontend that a syntax directive names.
function checkFrontendCaps(gateway: GatewayClient): FrontendError | undefined {
  let missing: FrontendError | undefined;
  for (const cap of (gateway.options["frontend.caps"] ?? "").split(",")) {
    const [name, ...flags] = cap.split("+") as [string, ...string[]];
    if (cap === "" || FRONTEND_CAPS.has(name.replace(/^moby\.buildkit\.frontend\./, ""))) continue;
    missing = new FrontendError(`unsupported frontend capability ${name}`);
    if (!flags.join("+").includes("forward")) throw missing;
  }
  return missing;
}

async function forwardToSyntax(
  gateway: GatewayClient,
  { file }: Entrypoint,
  signal: AbortSignal,
): Promise<FrontendResult | undefined> {
  const { options } = gateway;
  if (options["cmdline"] !== undefined) return undefined;
  const argument = options["build-arg:BUILDKIT_SYNTAX"];
  const found =
    argument === undefined
      ? detectSyntax(file.data)
      : { image: argument.trim().split(" ", 1)[0]!, cmdline: argument, location: undefined };
  if (found === undefined || gateway.forward === undefined) return undefined;
  try {
    return await gateway.forward({ ...options, cmdline: found.cmdline, source: found.image }, signal);
  } catch (error) {
    if (isBuildError(error) && error.sources.length > 0) throw error;
    if (found.location === undefined)
      throw wrapError(error, `failed with build-arg:BUILDKIT_SYNTAX = ${found.cmdline}`);
    throw new FrontendError(messageOf(error), { cause: error, locations: [found.location] });
  }
}

async function build(client: BuildClient, entrypoint: Entrypoint, signal: AbortSignal): Promise<FrontendResult> {
  const { config } = client;
  const targets: readonly (Platform | undefined)[] =
    config.targetPlatforms.length === 0 ? [undefined] : config.targetPlatforms;
  const builds: PlatformResult[] = [];
  const sbom = parseAttestations(client.gateway.options).get("sbom");
  const scanner =
    sbom === undefined
      ? undefined
      : openScanner(
          client.gateway,
          sbom,
          { platform: config.buildPlatforms[0]!, resolveMode: config.resolveMode },
          signal,
        );
  // Awaited by each platform; one that fails before must not leave it unheard.
  scanner?.catch(() => undefined);
  await using scope = new TaskScope(signal);
  for (const [index, platform] of targets.entries()) {
    scope.run(async (taskSignal) => {
      builds[index] = await buildOne(client, entrypoint, { platform, isFirst: index === 0, scanner }, taskSignal);
    });
  }
  await scope.join();
  return { builds, multiPlatform: config.multiPlatform, metadata: new Map() };
}

async function buildOne(
  client: BuildClient,
  entrypoint: Entrypoint,
  target: {
    readonly platform: Platform | undefined;
    readonly isFirst: boolean;
    readonly scanner: Promise<Scanner> | undefined;
  },
  signal: AbortSignal,
): Promise<PlatformResult> {
  const { stage, conversion } = await convert(
    {
      client,
      file: entrypoint.file,
      targetPlatform: target.platform,
      warn: target.isFirst ? (warning) => sendWarning(client.gateway, entrypoint, warning) : undefined,
      allStages: false,
    },
    signal,
  );
  let definition: PlatformResult["definition"];
  try {
    const supports = (cap: string) => client.supports(cap);
    definition = marshalState(stage.state, { platform: conversion.targetPlatform, supports });
  } catch (error) {
    throw wrapError(error, "failed to marshal LLB definition");
  }
  const platform = normalizePlatform(target.platform ?? hostPlatform());
  const key = formatAllPlatform(platform);
  const scan = await target.scanner;
  return {
    key,
    platform: withWindowsVersion(platform, stage.image),
    definition,
    config: encodeImage(stage.image),
    baseConfig: stage.baseImage === undefined ? undefined : encodeImage(stage.baseImage),
    epoch: conversion.epoch,
    ...(scan === undefined ? {} : { attestations: [scan(scanTarget(key, stage, conversion))] }),
  };
}

/** What is scanned: the result, and what BUILDKIT_SBOM_SCAN_CONTEXT and BUILDKIT_SBOM_SCAN_STAGE add. */
function scanTarget(name: string, target: StageState, conversion: Conversion): Parameters<Scanner>[0] {
  const extras = new Map<string, Output | undefined>();
  if (target.scanContext) extras.set("context", conversion.mainContext.output);
  let { ignoreCache } = target;
  for (const stage of reachableFrom(target)) {
    if (stage === target || !stage.scanStage) continue;
    extras.set(stage.stageName, stage.state.output);
    ignoreCache ||= stage.ignoreCache;
  }
  return { name, core: target.state.output, extras, ignoreCache };
}

// Windows images run only on their own version, which the base image knows when the request does not say.
function withWindowsVersion(platform: Platform, image: Image): Platform {
  if (platform.os !== "windows" || image.os !== "windows") return platform;
  const osVersion = platform.osVersion || image.osVersion;
  const osFeatures = platform.osFeatures ?? image.osFeatures;
  return normalizePlatform({
    ...platform,
    ...(osVersion === "" ? {} : { osVersion }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  });
}

function sendWarning(gateway: GatewayClient, { file, vertex }: Entrypoint, warning: LintWarning): void {
  if (vertex === undefined) return;
  const line = warning.location[0]?.start ?? 0;
  gateway.warn(vertex, {
    short: `${warning.rule}: ${warning.message.toWellFormed()}${line > 0 ? ` (line ${line})` : ""}`,
    detail: [warning.description],
    url: warning.url,
    level: 1,
    source: spanOf(file, warning.location),
  });
}

// One source span for each layer of locations; what lies underneath gives code and hint.
function toBuildError(error: unknown, file: SourceMapFile | undefined): unknown {
  if (isAbort(error) || !(error instanceof FrontendError)) return error;
  const cause = rootBuildError(error);
  const sources = file === undefined ? [] : (error.locations ?? []).map((lines: Location) => spanOf(file, lines));
  // What was not UTF-8 in the file is shown as U+FFFD.
  return new BuildError(error.message.toWellFormed(), {
    code: cause?.code ?? "DOCKERFILE",
    status: cause?.status ?? "InvalidArgument",
    sources,
    cause: error,
    ...(cause?.hint === undefined ? {} : { hint: cause.hint }),
    ...(cause === undefined ? {} : { retryable: cause.retryable }),
  });
}

function rootBuildError(error: unknown): BuildError | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (isBuildError(at)) return at;
  return undefined;
}
