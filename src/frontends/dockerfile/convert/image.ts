// The image config that a build ends with, and its exact bytes: Go's JSON of Docker's struct, key for key.
// Spec: OCI image-spec v1.1 config.md; Docker's additions Healthcheck, OnBuild, Shell.
// Counterpart: moby/docker-image-spec, moby/buildkit frontend/dockerfile/dockerfile2llb/image.go.

import { compareBytes, defaultPathOf } from "../../../graph/llb/index.ts";
import type { Platform } from "../../../graph/llb/index.ts";
import type { Healthcheck } from "../instructions/types.ts";

export interface History {
  readonly created?: string | undefined;
  readonly createdBy?: string | undefined;
  readonly author?: string | undefined;
  readonly comment?: string | undefined;
  readonly emptyLayer?: boolean | undefined;
}

export interface ImageSettings {
  user: string;
  exposedPorts: Set<string>;
  env: string[];
  entrypoint: readonly string[];
  cmd: readonly string[];
  volumes: Set<string>;
  workingDir: string;
  labels: Map<string, string>;
  stopSignal: string;
  argsEscaped: boolean;
  healthcheck: Healthcheck | undefined;
  onBuild: string[];
  shell: readonly string[];
}

/** An image config, mutable while a stage is built. */
export interface Image {
  created: string | undefined;
  author: string;
  architecture: string;
  os: string;
  osVersion: string;
  osFeatures: readonly string[];
  variant: string;
  rootfsType: string;
  /** Undefined is written as null. */
  diffIds: readonly string[] | undefined;
  history: History[];
  config: ImageSettings;
}

/** The config of an image that starts from nothing. */
export function emptyImage(platform: Platform): Image {
  return {
    created: undefined,
    author: "",
    architecture: platform.architecture,
    os: platform.os,
    osVersion: platform.osVersion ?? "",
    osFeatures: [...(platform.osFeatures ?? [])],
    variant: platform.variant ?? "",
    rootfsType: "layers",
    diffIds: undefined,
    history: [],
    config: {
      ...decodeSettings({}),
      workingDir: "/",
      env: platform.os === "windows" ? [] : [`PATH=${defaultPathOf(platform.os)}`],
    },
  };
}

/** A config that shares nothing that later changes. */
export function cloneImage(image: Image): Image {
  const { config } = image;
  return {
    ...image,
    history: [...image.history],
    config: {
      ...config,
      exposedPorts: new Set(config.exposedPorts),
      env: [...config.env],
      volumes: new Set(config.volumes),
      labels: new Map(config.labels),
      onBuild: [...config.onBuild],
    },
  };
}

/** The platform that an image says it is for. */
export function platformOfImage(image: Image): Platform {
  return {
    os: image.os,
    architecture: image.architecture,
    ...(image.variant === "" ? {} : { variant: image.variant }),
    ...(image.osVersion === "" ? {} : { osVersion: image.osVersion }),
    ...(image.osFeatures.length === 0 ? {} : { osFeatures: image.osFeatures }),
  };
}

type Json = Readonly<Record<string, unknown>>;

/** Reads a config of any origin; members of a wrong type count as absent. @throws SyntaxError when it is no JSON object */
export function decodeImage(bytes: Uint8Array): Image {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (!isObject(json)) throw new SyntaxError("image config is not a JSON object");
  const rootfs = isObject(json["rootfs"]) ? json["rootfs"] : {};
  const history = Array.isArray(json["history"]) ? json["history"].filter(isObject) : [];
  return {
    created: timeOf(json["created"]),
    author: text(json["author"]),
    architecture: text(json["architecture"]),
    os: text(json["os"]),
    osVersion: text(json["os.version"]),
    osFeatures: texts(json["os.features"]),
    variant: text(json["variant"]),
    rootfsType: text(rootfs["type"]),
    diffIds: Array.isArray(rootfs["diff_ids"]) ? texts(rootfs["diff_ids"]) : undefined,
    history: history.map((entry) => ({
      created: timeOf(entry["created"]),
      createdBy: text(entry["created_by"]),
      author: text(entry["author"]),
      comment: text(entry["comment"]),
      emptyLayer: entry["empty_layer"] === true,
    })),
    config: decodeSettings(isObject(json["config"]) ? json["config"] : {}),
  };
}

function decodeSettings(json: Json): ImageSettings {
  const keys = (value: unknown) => new Set(isObject(value) ? Object.keys(value) : []);
  const labels = isObject(json["Labels"]) ? Object.entries(json["Labels"]) : [];
  return {
    user: text(json["User"]),
    exposedPorts: keys(json["ExposedPorts"]),
    env: texts(json["Env"]),
    entrypoint: texts(json["Entrypoint"]),
    cmd: texts(json["Cmd"]),
    volumes: keys(json["Volumes"]),
    workingDir: text(json["WorkingDir"]),
    labels: new Map(labels.map(([key, value]) => [key, text(value)])),
    stopSignal: text(json["StopSignal"]),
    argsEscaped: json["ArgsEscaped"] === true,
    healthcheck: isObject(json["Healthcheck"]) ? decodeHealthcheck(json["Healthcheck"]) : undefined,
    onBuild: texts(json["OnBuild"]),
    shell: texts(json["Shell"]),
  };
}

function decodeHealthcheck(json: Json): Healthcheck {
  const duration = (value: unknown) => (typeof value === "number" && Number.isInteger(value) ? BigInt(value) : 0n);
  return {
    test: texts(json["Test"]),
    intervalNs: duration(json["Interval"]),
    timeoutNs: duration(json["Timeout"]),
    startPeriodNs: duration(json["StartPeriod"]),
    startIntervalNs: duration(json["StartInterval"]),
    retries: typeof json["Retries"] === "number" ? json["Retries"] : 0,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(text) : [];
}

// RFC 3339 as Go writes it back: no zeros at the end of a fraction.
function timeOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  return value.replace(/\.(\d*?)0*(?=Z|[+-]\d\d:\d\d$)/, (_, digits: string) => (digits === "" ? "" : `.${digits}`));
}

/** The exact bytes of a config. */
export function encodeImage(image: Image): Uint8Array {
  const json = object([
    ["created", optional(image.created)],
    ["author", optional(image.author)],
    ["architecture", goString(image.architecture)],
    ["os", goString(image.os)],
    ["os.version", optional(image.osVersion)],
    ["os.features", list(image.osFeatures)],
    ["variant", optional(image.variant)],
    [
      "rootfs",
      object([
        ["type", goString(image.rootfsType)],
        ["diff_ids", image.diffIds === undefined ? "null" : `[${image.diffIds.map(goString).join()}]`],
      ]),
    ],
    ["history", image.history.length === 0 ? undefined : `[${image.history.map(encodeHistory).join()}]`],
    ["config", encodeSettings(image.config)],
  ]);
  return new TextEncoder().encode(json);
}

function encodeHistory(entry: History): string {
  return object([
    ["created", optional(entry.created)],
    ["created_by", optional(entry.createdBy)],
    ["author", optional(entry.author)],
    ["comment", optional(entry.comment)],
    ["empty_layer", entry.emptyLayer ? "true" : undefined],
  ]);
}

function encodeSettings(config: ImageSettings): string {
  const keys = (set: ReadonlySet<string>) => map(Array.from(set, (key) => [key, "{}"] as const));
  return object([
    ["User", optional(config.user)],
    ["ExposedPorts", keys(config.exposedPorts)],
    ["Env", list(config.env)],
    ["Entrypoint", list(config.entrypoint)],
    ["Cmd", list(config.cmd)],
    ["Volumes", keys(config.volumes)],
    ["WorkingDir", optional(config.workingDir)],
    ["Labels", map(Array.from(config.labels, ([key, value]) => [key, goString(value)] as const))],
    ["StopSignal", optional(config.stopSignal)],
    ["ArgsEscaped", config.argsEscaped ? "true" : undefined],
    ["Healthcheck", config.healthcheck === undefined ? undefined : encodeHealthcheck(config.healthcheck)],
    ["OnBuild", list(config.onBuild)],
    ["Shell", list(config.shell)],
  ]);
}

function encodeHealthcheck(health: Healthcheck): string {
  const duration = (ns: bigint) => (ns === 0n ? undefined : ns.toString());
  return object([
    ["Test", list(health.test)],
    ["Interval", duration(health.intervalNs)],
    ["Timeout", duration(health.timeoutNs)],
    ["StartPeriod", duration(health.startPeriodNs)],
    ["StartInterval", duration(health.startIntervalNs)],
    ["Retries", health.retries === 0 ? undefined : String(health.retries)],
  ]);
}

function object(members: readonly (readonly [string, string | undefined])[]): string {
  const present = members.filter(([, value]) => value !== undefined);
  return `{${present.map(([key, value]) => `"${key}":${value}`).join()}}`;
}

function map(entries: readonly (readonly [string, string])[]): string | undefined {
  if (entries.length === 0) return undefined;
  const sorted = entries.toSorted(([a], [b]) => compareBytes(a, b));
  return `{${sorted.map(([key, value]) => `${goString(key)}:${value}`).join()}}`;
}

function list(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : `[${values.map(goString).join()}]`;
}

function optional(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : goString(value);
}

/** A string in Go's JSON: some characters are escaped for the sake of HTML, invalid UTF-8 becomes the text `\ufffd`. */
function goString(value: string): string {
  return JSON.stringify(value)
    .replace(/(\\\\)|\\ud[89a-f][0-9a-f]{2}/g, (_, backslashes?: string) => backslashes ?? "\\ufffd")
    .replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
