// A project as `config` shows it: every value in the long form that the containers are made from, in plain data.
// Counterpart: compose-go types' MarshalYAML.

import { durationText } from "./duration.ts";
import { equalsMapping } from "./read.ts";
import type { RunProject, RunService } from "./run-model.ts";
import { goText, isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";
import { shellWords } from "./words.ts";
import { parseDurationMs } from "./duration.ts";
import { resolve } from "node:path";

/** What YAML and JSON writers take. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** The document; `names` are the services that are wanted, all where there are none. */
export function canonicalOutput(project: RunProject, names: readonly string[], literal: boolean): Plain {
  const document = new Map(project.document);
  const services = document.get("services");
  if (isMap(services)) {
    const shown = [...services].filter(([name]) =>
      literal
        ? names.length === 0 || names.includes(name)
        : project.services.has(name) && (names.length === 0 || names.includes(name)),
    );
    document.set(
      "services",
      new Map(
        shown.map(([name, each]) => [name, serviceOutput(each as ComposeMap, project.services.get(name), project)]),
      ),
    );
  }
  return plain(document);
}

function serviceOutput(said: ComposeMap, service: RunService | undefined, project: RunProject): ComposeMap {
  const result = new Map(said);
  const change = (key: string, to: (value: ComposeValue) => ComposeValue) => {
    const value = result.get(key);
    if (value !== undefined && value !== null) result.set(key, to(value));
  };
  for (const key of ["command", "entrypoint"]) {
    if (!result.has(key)) result.set(key, null);
    change(key, (value) => (typeof value === "string" ? shellWords(value) : value));
  }
  if (service !== undefined && service.environment.size > 0) {
    result.set("environment", new Map(service.environment));
    result.delete("env_file");
  } else change("environment", mapping);
  if (service !== undefined && service.labels.size > 0) result.set("labels", new Map(service.labels));
  for (const key of ["annotations", "sysctls", "labels"]) change(key, mapping);
  change("extra_hosts", () =>
    [...(service?.extraHosts ?? [])].flatMap(([host, all]) => all.map((each) => `${host}=${each}`)),
  );
  for (const key of ["dns", "dns_search", "tmpfs"]) change(key, (value) => (Array.isArray(value) ? value : [value]));
  change("healthcheck", (value) => (isMap(value) ? healthcheck(value) : value));
  change("stop_grace_period", duration);
  for (const key of ["mem_limit", "mem_reservation", "memswap_limit", "shm_size"]) change(key, goText);
  change("build", (value) => (isMap(value) ? build(value, project.folder) : value));
  change("volumes", (value) => (Array.isArray(value) ? value.map((each) => volume(each, project.folder)) : value));
  return result;
}

function mapping(value: ComposeValue): ComposeValue {
  return new Map([...equalsMapping(value)]);
}

function duration(value: ComposeValue): ComposeValue {
  try {
    return durationText(parseDurationMs(goText(value)));
  } catch {
    return value; // a variable that stays as it is written
  }
}

function healthcheck(value: ComposeMap): ComposeMap {
  const result = new Map(value);
  for (const key of ["interval", "timeout", "start_period", "start_interval"]) {
    if (result.has(key)) result.set(key, duration(result.get(key)!));
  }
  const test = result.get("test");
  if (typeof test === "string") result.set("test", ["CMD-SHELL", test]);
  return result;
}

function build(value: ComposeMap, folder: string): ComposeMap {
  const result = new Map(value);
  for (const key of ["args", "labels"]) if (result.has(key)) result.set(key, mapping(result.get(key)!));
  const context = result.get("context");
  if (typeof context === "string" && !context.includes("://") && !/^(?:git@|github\.com\/|service:)/.test(context)) {
    result.set("context", resolve(folder, context));
  }
  return result;
}

function volume(value: ComposeValue, folder: string): ComposeValue {
  if (!isMap(value) || value.get("type") !== "bind") return value;
  return new Map([...value, ["source", resolve(folder, goText(value.get("source") ?? ""))]]);
}

function plain(value: ComposeValue): Plain {
  if (isMap(value)) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" ? Number(value) : value;
}
