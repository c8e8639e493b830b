// What is left after a successful build: files for scripts (`--iidfile`, `--metadata-file`) and, for people, what was made, where it
// is and what to try next.

import { randomBytes } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { control } from "../formats/proto/index.ts";
import type { Builder, ExporterResponse } from "../service/builders/index.ts";
import type { FlagValues } from "./flags.ts";
import type { ResolvedOutput } from "./outputs.ts";
import { humanSize } from "./sizes.ts";

/** What `-q` and `--iidfile` call the image: the config's digest, else the manifest's; empty when no image was made. */
export function imageId(response: ExporterResponse): string {
  return response["containerimage.config.digest"] ?? response["containerimage.digest"] ?? "";
}

/** The text of `--metadata-file`: the response with values that hold JSON in base64 opened up; warnings, if any, among them. */
export function metadataJson(response: ExporterResponse, warnings: readonly control.VertexWarning[] = []): string {
  const opened: [string, unknown][] = Object.entries(response).map(([key, value]) => [key, openedUp(key, value)]);
  if (warnings.length > 0) opened.push(["buildx.build.warnings", warnings.map(warningJson)]);
  const text = JSON.stringify(Object.fromEntries(opened.toSorted(([a], [b]) => (a < b ? -1 : 1))), undefined, 2);
  return text.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Counterpart: moby/buildkit client/graph.go VertexWarning; members with zero values are left out.
function warningJson({ vertex, level, short, detail, url, info, ranges }: control.VertexWarning): unknown {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  const position = (at: { line: number; character: number } | undefined) => ({
    ...(at?.line ? { line: at.line } : {}),
    ...(at?.character ? { character: at.character } : {}),
  });
  return {
    ...(vertex === "" ? {} : { vertex }),
    ...(level === 0n ? {} : { level: Number(level) }),
    ...(short.length === 0 ? {} : { short: base64(short) }),
    ...(detail.length === 0 ? {} : { detail: detail.map(base64) }),
    ...(url === "" ? {} : { url }),
    ...(info === undefined
      ? {}
      : { sourceInfo: { filename: info.filename, data: base64(info.data), language: info.language } }),
    ...(ranges.length === 0
      ? {}
      : { range: ranges.map(({ start, end }) => ({ start: position(start), end: position(end) })) }),
  };
}

function openedUp(key: string, value: string): unknown {
  const text = key === "result.json" ? value : base64Text(value);
  if (text === undefined) return value;
  try {
    const parsed: unknown = JSON.parse(text);
    const isList =
      Array.isArray(parsed) && parsed.length > 0 && parsed.every((item) => typeof item === "object" && item !== null);
    const isObject =
      typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) && Object.keys(parsed).length > 0;
    return isList || isObject ? parsed : value;
  } catch {
    return value;
  }
}

function base64Text(value: string): string | undefined {
  if (value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  return Buffer.from(value, "base64").toString("utf8");
}

/** Writes a small file whole or not at all. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const beside = join(dirname(path), `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(beside, text, { mode: 0o644 });
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

export interface ReportParts {
  readonly builder: Builder;
  readonly response: ExporterResponse;
  readonly outputs: readonly ResolvedOutput[];
  readonly flags: FlagValues;
  /** The context argument as given. */
  readonly context: string;
}

/** The lines for people. */
export async function buildReport(parts: ReportParts): Promise<string> {
  const { builder, response, outputs, flags } = parts;
  const rows: [string, string][] = [];
  const next: string[] = [];
  const names = flags.list("tag");
  if (outputs.some(({ type }) => type === "image")) {
    const digest = response["containerimage.digest"] ?? imageId(response);
    if (names.length > 0) rows.push(["Image", names.join(", ")]);
    rows.push(["Digest", digest]);
    const size = await sizeOf(builder, names[0] ?? digest);
    if (size !== undefined) rows.push(["Size", humanSize(size)]);
    rows.push(["Kept in", builder.location]);
    if (names.length > 0) {
      next.push(`slipway inspect ${quoted(names[0]!)}`);
      const again = plainCommand(parts);
      if (again !== undefined) next.push(again);
    } else next.push("slipway build -t NAME …   (a name makes the image easy to find)");
  }
  for (const { type, target } of outputs) {
    if (target?.kind === "loader") {
      rows.push(["Loaded", `${names.join(", ") || imageId(response)}, into ${target.loader.name}`]);
      if (names.length > 0) next.push(`docker run --rm ${quoted(names[0]!)}`);
    }
    if (!target || target.kind === "stream" || target.kind === "loader") continue;
    const size =
      target.kind === "file"
        ? await stat(target.path).then(
            (info) => ` (${humanSize(info.size)})`,
            () => "",
          )
        : "";
    rows.push(["Wrote", `${target.path}${size}, type ${type}`]);
    if (target.kind === "file" && type === "docker") next.push(`docker load -i ${quoted(target.path)}`);
    if (target.kind === "directory" && type === "local") next.push(`ls ${quoted(target.path)}`);
  }
  if (rows.length === 0) return "";
  const lines = rows.map(([name, value]) => `${`${name}:`.padEnd(9)}${value}`);
  if (next.length > 0) lines.push("", ...next.map((line, i) => `${i === 0 ? "Next:    " : "         "}${line}`));
  return `\n${lines.join("\n")}\n`;
}

async function sizeOf(builder: Builder, name: string): Promise<number | undefined> {
  try {
    return (await builder.inspectImage(name)).sizeBytes;
  } catch {
    return undefined; // the size is a courtesy: the image is there, whoever else has removed its name since
  }
}

/** The same build written as a file for Docker, when the flags are few enough to repeat and hold nothing private. */
function plainCommand({ flags, context }: ReportParts): string | undefined {
  if (["build-arg", "secret", "ssh", "build-context", "label", "add-host"].some((name) => flags.list(name).length > 0))
    return undefined;
  if (context === "-" || flags.string("file") === "-") return undefined;
  const name = flags.list("tag")[0]!;
  const file = `${name.replace(/@.*$|:[^:/]*$/, "").replace(/^.*\//, "")}.tar`;
  const words = ["slipway", "build", "-t", name, "-o", `type=docker,dest=${file}`];
  if (flags.string("file") !== "") words.push("-f", flags.string("file"));
  if (flags.string("target") !== "") words.push("--target", flags.string("target"));
  return [...words, context].map(quoted).join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
