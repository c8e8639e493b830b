// HEALTHCHECK: the kind of test and its timing. Counterpart: frontend/dockerfile/instructions/parse.go.

import { formatDuration, quote } from "../go/format.ts";
import { parseDuration, parseInteger } from "../go/parse.ts";
import type { Node } from "../parse/parser.ts";
import { FrontendError } from "../source-error.ts";
import { parseFlags } from "./flags.ts";
import type { Healthcheck } from "./types.ts";

const MINIMUM_NS = 1_000_000n;

/** @throws FrontendError */
export function parseHealthcheck(node: Node): Healthcheck {
  const [typeText, ...rest] = node.args;
  if (typeText === undefined) throw new FrontendError("HEALTHCHECK requires at least one argument");
  const type = typeText.toUpperCase();
  if (type === "NONE") {
    if (rest.length > 0) throw new FrontendError("HEALTHCHECK NONE takes no arguments");
    return { test: ["NONE"], intervalNs: 0n, timeoutNs: 0n, startPeriodNs: 0n, startIntervalNs: 0n, retries: 0 };
  }
  const flags = parseFlags(node.flags, {
    interval: "string",
    timeout: "string",
    "start-period": "string",
    "start-interval": "string",
    retries: "string",
  });
  if (type !== "CMD") throw new FrontendError(`Unknown type ${quote(type)} in HEALTHCHECK (try CMD)`);
  const command = node.json ? rest : rest.length === 0 ? [] : [rest.join(" ")];
  if (command.length === 0) throw new FrontendError("Missing command after HEALTHCHECK CMD");
  const interval = (name: string) => parseInterval(name, flags.string(name));
  return {
    test: [node.json ? "CMD" : "CMD-SHELL", ...command],
    intervalNs: interval("interval"),
    timeoutNs: interval("timeout"),
    startPeriodNs: interval("start-period"),
    startIntervalNs: interval("start-interval"),
    retries: parseRetries(flags.string("retries")),
  };
}

/** Nanoseconds; 0 for "" and "0". @throws FrontendError when malformed or below a millisecond */
export function parseInterval(flag: string, text: string): bigint {
  if (text === "") return 0n;
  const ns = parseDuration(text);
  if (ns !== 0n && ns < MINIMUM_NS) {
    throw new FrontendError(`Interval ${quote(flag)} cannot be less than ${formatDuration(MINIMUM_NS)}`);
  }
  return ns;
}

function parseRetries(text: string): number {
  if (text === "") return 0;
  const retries = Number(parseInteger(text, 10, 32));
  if (retries < 0) throw new FrontendError(`--retries cannot be negative (${retries})`);
  return retries;
}
