// A target of bake as the command line of `slipway build` that it stands for: one way into a build, however it was asked for.
// Counterpart: docker/buildx bake/bake.go toBuildOpt.

import { entryText } from "../frontends/bake/index.ts";
import type { Target } from "../frontends/bake/index.ts";
import { resourceTexts } from "./bake-checks.ts";

/** Flags of `slipway build`, without context, Dockerfile and what links to other targets. */
export function buildWords(target: Target): string[] {
  const words: string[] = [];
  const add = (flag: string, value: string) => words.push(`--${flag}=${value}`);
  const addAll = (flag: string, values: Iterable<string> | undefined) => {
    for (const value of values ?? []) add(flag, value);
  };
  addAll("annotation", target.annotations);
  for (const { type, disabled, attributes } of target.attest ?? []) {
    add("attest", entryText(type, disabled ? { ...attributes, disabled: "true" } : attributes));
  }
  for (const [name, value] of target.contexts ?? []) {
    if (!value.startsWith("target:")) add("build-context", `${name}=${value.replace(/^cwd:\/\//, "")}`);
  }
  for (const [name, value] of target.args ?? []) if (value !== null) add("build-arg", `${name}=${value}`);
  for (const [name, value] of target.labels ?? []) add("label", `${name}=${value ?? ""}`);
  addAll("tag", target.tags);
  for (const key of ["cache-from", "cache-to"] as const) {
    for (const { type, attributes } of target[key] ?? []) add(key, entryText(type, attributes));
  }
  if (target.target !== undefined) add("target", target.target);
  for (const { id, src, env } of target.secret ?? []) {
    const attributes: Record<string, string> = { id };
    if (src !== "") attributes["src"] = src;
    if (env !== "") attributes["env"] = env;
    add("secret", csvOf(attributes));
  }
  for (const { id, paths } of target.ssh ?? []) add("ssh", paths.length === 0 ? id : `${id}=${paths.join(",")}`);
  addAll("platform", target.platforms);
  for (const { type, attributes, dest } of target.output ?? []) add("output", entryText(type, attributes, dest));
  if (target.pull === true) words.push("--pull");
  if (target["no-cache"] === true) words.push("--no-cache");
  else addAll("no-cache-filter", target["no-cache-filter"]);
  if (target.network !== undefined && target.network !== "") add("network", target.network);
  if (target["shm-size"] !== undefined) add("shm-size", target["shm-size"]);
  addAll("ulimit", target.ulimits);
  addAll("resource", resourceTexts(target));
  for (const [host, address] of target["extra-hosts"] ?? []) add("add-host", csvWord(`${host}=${address ?? ""}`));
  addAll("allow", target.entitlements);
  // What others start from is built for them, whatever is asked of it.
  if (target.call !== undefined && target.linked !== true) add("call", target.call);
  return words;
}

/** `type=…` leads the text of an entry; secrets have none that is needed. */
function csvOf(attributes: Readonly<Record<string, string>>): string {
  return entryText("file", attributes).replace(/^type=file,?/, "");
}

/** One field of a comma-separated list. */
function csvWord(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
