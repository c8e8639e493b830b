// Puts variables into the values of a document (never into keys), and makes numbers and truth values of texts where the format
// wants those. Counterpart: compose-go interpolation/interpolation.go, loader/interpolate.go.

import { composeError } from "./error.ts";
import { PathRules, pathText } from "./pattern.ts";
import type { Path } from "./pattern.ts";
import { substitute, templateErrorAt } from "./template.ts";
import type { TemplateOptions } from "./template.ts";
import { isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

type Cast = (text: string) => ComposeValue;

const toInt: Cast = (text) => {
  if (!/^[-+]?[0-9]+$/.test(text)) throw syntax("ParseInt", text);
  return BigInt(text.replace(/^\+/, ""));
};

const toAtoi: Cast = (text) => {
  if (!/^[-+]?[0-9]+$/.test(text)) throw syntax("Atoi", text);
  return BigInt(text.replace(/^\+/, ""));
};

const toFloat: Cast = (text) => {
  const value = Number(text);
  if (text.trim() !== text || text === "" || Number.isNaN(value)) throw syntax("ParseFloat", text);
  return value;
};

function syntax(what: string, text: string): Error {
  return composeError(`strconv.${what}: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** A truth value of a text. @throws COMPOSE_INVALID for other texts. */
export function toBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (["true", "y", "yes", "on"].includes(lower)) return true;
  if (["false", "n", "no", "off"].includes(lower)) return false;
  throw composeError(`invalid boolean: ${text}`);
}

function under(prefix: string, names: string, cast: Cast): Record<string, Cast> {
  return Object.fromEntries(names.split(" ").map((name) => [`${prefix}${name}`, cast]));
}

const casts = new PathRules<Cast>({
  ...under(
    "services.*.",
    "cpu_count cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares oom_score_adj",
    toInt,
  ),
  ...under("services.*.", "pids_limit", toInt),
  ...under("services.*.", "cpu_percent cpus deploy.update_config.max_failure_ratio", toFloat),
  ...under("services.*.", "deploy.rollback_config.max_failure_ratio", toFloat),
  ...under("services.*.", "init oom_kill_disable privileged read_only stdin_open tty healthcheck.disable", toBoolean),
  ...under("services.*.", "depends_on.*.required depends_on.*.restart", toBoolean),
  ...under("services.*.", "volumes.[].read_only volumes.[].volume.nocopy", toBoolean),
  ...under("services.*.deploy.", "replicas update_config.parallelism rollback_config.parallelism", toAtoi),
  ...under("services.*.deploy.", "restart_policy.max_attempts placement.max_replicas_per_node", toAtoi),
  ...under("services.*.", "healthcheck.retries ports.[].target scale", toAtoi),
  ...under("services.*.", "ulimits.* ulimits.*.hard ulimits.*.soft", toAtoi),
  ...under("networks.*.", "external internal attachable enable_ipv4 enable_ipv6", toBoolean),
  ...under("", "volumes.*.external secrets.*.external configs.*.external", toBoolean),
});

/** A document with the values put in. @throws COMPOSE_INVALID with the path of what is wrong. */
export function interpolate(document: ComposeMap, options: TemplateOptions): ComposeMap {
  return new Map([...document].map(([key, value]) => [key, interpolateValue(value, [key], options)]));
}

function interpolateValue(value: ComposeValue, path: Path, options: TemplateOptions): ComposeValue {
  if (isMap(value)) {
    return new Map([...value].map(([key, each]) => [key, interpolateValue(each, [...path, key], options)]));
  }
  if (Array.isArray(value)) return value.map((each) => interpolateValue(each, [...path, "[]"], options));
  if (typeof value !== "string") return value;
  let text: string;
  try {
    text = substitute(value, options);
  } catch (error) {
    throw templateErrorAt(pathText(path), error);
  }
  const cast = casts.find(path);
  if (cast === undefined) return text;
  try {
    return cast(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw composeError(`error while interpolating ${pathText(path)}: failed to cast to expected type: ${reason}`);
  }
}
