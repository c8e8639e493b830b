// Flags of `slipway build` to the one message that any builder takes: attributes named as buildx sends them, exporters in order.
// What this version can't do is refused here. Counterpart: docker/buildx build/opt.go toSolveOpt.

import { create } from "@bufbuild/protobuf";
import {
  formatAllPlatform,
  goQuote,
  hostPlatform,
  normalizePlatform,
  parsePlainReference,
  parsePlatform,
  referenceString,
} from "../formats/oci/index.ts";
import { control } from "../formats/proto/index.ts";
import { callOf } from "./call.ts";
import { parseCacheEntries } from "./cache-options.ts";
import { Failure } from "./error.ts";
import {
  annotations,
  attestationAttributes,
  entitlements,
  extraHosts,
  keyValues,
  resourceLimits,
  resourceNames,
} from "./build-values.ts";
import { goBool, type FlagValues } from "./flags.ts";
import { later } from "./later.ts";
import type { ResolvedOutput } from "./outputs.ts";
import { ulimitAttribute } from "./ulimits.ts";

export interface RequestParts {
  readonly flags: FlagValues;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Attributes that the inputs bring along. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Build arguments that hold where the command line has none of that name, in any case. */
  readonly defaultArgs: ReadonlyMap<string, string>;
  readonly outputs: readonly ResolvedOutput[];
  readonly cwd: string;
  readonly session: string;
  readonly ref: string;
}

/** Refuses flags whose features are not built yet, before anything else is looked at. */
export function refuseLaterFeatures(flags: FlagValues, env: RequestParts["env"]): void {
  if (flags.list("policy").length > 0) throw later("--policy");
  if ((env["EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"] ?? "") !== "") throw later("a source policy");
}

/** Things that docker accepts and that change nothing here; said on stderr. */
export function noticesOf(flags: FlagValues): string[] {
  const notices: string[] = [];
  if (flags.has("isolation")) notices.push("isolation flag is deprecated with BuildKit.");
  if (flags.has("security-opt"))
    notices.push('security-opt flag is deprecated. "RUN --security=insecure" should be used with BuildKit.');
  if (flags.bool("squash")) {
    notices.push(
      "experimental flag squash is removed with BuildKit. You should squash inside build using a multi-stage Dockerfile for efficiency.",
    );
  }
  return notices;
}

/** The names given with `-t`, as they are: the builder completes them. @throws Failure for one that is no reference. */
export function tagsOf(flags: FlagValues): readonly string[] {
  return flags
    .list("tag")
    .map((tag) => Failure.of(`invalid tag ${goQuote(tag)}`, () => referenceString(parsePlainReference(tag))));
}

/** The request. @throws Error in buildx's words for values that don't fit. */
export function buildRequest(parts: RequestParts): control.SolveRequest {
  const { flags, outputs } = parts;
  const { granted } = entitlements(flags.list("allow"));
  const attributes = frontendAttributes(parts);
  const call = callOf(flags);
  if (call !== undefined) {
    const caps = [attributes.get("frontend.caps"), "moby.buildkit.frontend.subrequests+forward"];
    attributes.set("frontend.caps", caps.filter((cap) => cap !== undefined).join(","));
    attributes.set("requestid", `frontend.${call.name}`);
  }
  if (attributes.get("force-network-mode") === "host") granted.push("network.host");
  return create(control.SolveRequestSchema, {
    Ref: parts.ref,
    Session: parts.session,
    Frontend: attributes.has("source") ? "gateway.v0" : "dockerfile.v0",
    FrontendAttrs: Object.fromEntries(attributes),
    Exporters: call === undefined ? exporters(flags, outputs) : [],
    Entitlements: [...new Set(granted)],
    Cache: {
      Imports: call === undefined ? cacheOptions(flags, "cache-from", parts.cwd) : [],
      Exports: call === undefined ? cacheOptions(flags, "cache-to", parts.cwd) : [],
    },
  });
}

function cacheOptions(flags: FlagValues, name: string, cwd: string): { Type: string; Attrs: Record<string, string> }[] {
  const entries = parseCacheEntries(flags.list(name), cwd).map(({ type, attributes }) => ({
    Type: type,
    Attrs: Object.fromEntries(attributes),
  }));
  const asksInline = flags
    .list("build-arg")
    .some(
      (arg) => arg.startsWith("BUILDKIT_INLINE_CACHE=") && goBool(arg.slice("BUILDKIT_INLINE_CACHE=".length)) === true,
    );
  if (name === "cache-to" && asksInline && !entries.some(({ Type }) => Type === "inline"))
    entries.push({ Type: "inline", Attrs: {} });
  return entries;
}

function frontendAttributes({ flags, env, inputs, defaultArgs }: RequestParts): Map<string, string> {
  const attributes = new Map<string, string>();
  const setUnlessEmpty = (name: string, value: string) => {
    if (value !== "") attributes.set(name, value);
  };
  setUnlessEmpty("cgroup-parent", flags.string("cgroup-parent"));
  const buildArgs = keyValues(flags.list("build-arg"), env);
  const epoch = env["SOURCE_DATE_EPOCH"] ?? "";
  if (!buildArgs.has("SOURCE_DATE_EPOCH") && epoch !== "") buildArgs.set("SOURCE_DATE_EPOCH", epoch);
  const syntax = buildArgs.get("BUILDKIT_SYNTAX");
  if (syntax !== undefined) {
    if (syntax.trim() === "") {
      throw new Error(
        "empty BUILDKIT_SYNTAX build-arg is invalid, use --build-arg BUILDKIT_SYNTAX without '=' for optional behavior",
      );
    }
    attributes.set("source", syntax.trim().split(" ", 1)[0]!);
    attributes.set("cmdline", syntax);
  }
  if (goBool(buildArgs.get("BUILDKIT_MULTI_PLATFORM") ?? "") === true) attributes.set("multi-platform", "true");
  const given = new Set([...buildArgs.keys()].map((name) => name.toLowerCase()));
  for (const [key, value] of defaultArgs) if (!given.has(key.toLowerCase())) buildArgs.set(key, value);
  for (const [key, value] of buildArgs) attributes.set(`build-arg:${key}`, value);
  for (const [key, value] of keyValues(flags.list("label"))) attributes.set(`label:${key}`, value);
  for (const [key, value] of inputs) attributes.set(key, value);
  if (flags.bool("pull")) attributes.set("image-resolve-mode", "pull");
  setUnlessEmpty("target", flags.string("target"));
  const uncached = flags.list("no-cache-filter");
  if (flags.bool("no-cache")) {
    if (uncached.length > 0) throw new Error("--no-cache and --no-cache-filter cannot currently be used together");
    attributes.set("no-cache", "");
  } else if (uncached.length > 0) attributes.set("no-cache", uncached.join(","));
  setUnlessEmpty("platform", platforms(flags, env).join(","));
  const network = flags.string("network");
  if (network === "host" || network === "none") attributes.set("force-network-mode", network);
  else if (network !== "" && network !== "default") {
    throw new Error(
      `network mode ${JSON.stringify(network)} not supported by buildkit - use "default", "host" or "none"`,
    );
  }
  setUnlessEmpty("add-hosts", extraHosts(flags.list("add-host")));
  const shm = flags.number("shm-size") ?? 0;
  if (shm > 0) attributes.set("shm-size", String(shm));
  setUnlessEmpty("ulimit", ulimitAttribute(flags.list("ulimit")));
  const limits = [
    ...resourceNames.filter((name) => flags.has(name)).map((name) => `${name}=${flags.string(name)}`),
    ...flags.list("resource"),
  ];
  for (const [name, value] of resourceLimits(limits)) attributes.set(name, value);
  const shorthands = { provenance: flags.string("provenance"), sbom: flags.string("sbom") };
  for (const [name, value] of attestationAttributes(flags.list("attest"), shorthands, env)) attributes.set(name, value);
  return attributes;
}

function platforms(flags: FlagValues, env: RequestParts["env"]): string[] {
  const given = flags.has("platform") ? flags.list("platform") : [env["DOCKER_DEFAULT_PLATFORM"] ?? ""];
  const names = given.flatMap((value) => value.split(",")).map((name) => name.trim());
  const parsed = names
    .filter((name) => name !== "")
    .map((name) => (name === "local" ? hostPlatform() : parsePlatform(name)));
  return [...new Set(parsed.map((platform) => formatAllPlatform(normalizePlatform(platform))))];
}

function exporters(
  flags: FlagValues,
  outputs: readonly ResolvedOutput[],
): { Type: string; Attrs: Record<string, string> }[] {
  const names = tagsOf(flags).join(",");
  const added = annotations(flags.list("annotation"));
  return outputs.map(({ type, attributes }) => {
    const attrs = Object.fromEntries([...attributes, ...added]);
    if (names !== "" && (type === "image" || type === "oci" || type === "docker")) attrs["name"] = names;
    return { Type: type, Attrs: attrs };
  });
}
