// EXPOSE: port specifications `[ip:]host:container[/protocol]` with ranges.
// Counterpart: dockerfile2llb/convert_expose.go.

import { isIP } from "node:net";
import { plainList, quote } from "../go/format.ts";
import { tryParseInt } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import type { ExposeCommand } from "../instructions/types.ts";
import type { Linter } from "../lint/linter.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { commit, envOf } from "./context.ts";
import type { Conversion } from "./context.ts";
import type { StageState } from "./stage-state.ts";

// Differs: BuildKit has no limit, and a line of ranges takes all memory.
const MAX_PORTS = 4 * 65_536;

/** @throws FrontendError */
export function applyExpose(conversion: Conversion, stage: StageState, command: ExposeCommand, linter: Linter): void {
  const env = envOf(stage);
  const words = command.ports.flatMap((port) => conversion.lex.words(port, env));
  const ports: string[] = [];
  for (const word of words) {
    for (const port of parsePortSpec(word, command.location, linter)) ports.push(port);
    if (ports.length > MAX_PORTS) throw new FrontendError(`EXPOSE lists more than ${MAX_PORTS} ports`);
  }
  for (const port of ports) stage.image.config.exposedPorts.add(port);
  commit(conversion, stage.image, `EXPOSE ${plainList(ports)}`, false);
}

/** The container ports of one specification as `port/protocol`. @throws FrontendError */
export function parsePortSpec(raw: string, location: Location, linter: Linter): string[] {
  const { ip, hostPort, containerPort } = splitParts(raw);
  const { before: container, after: protocolText } = cut(containerPort, "/");
  if (container === "") throw wrapError(new FrontendError("no port specified"), `invalid port: ${quote(raw)}`);
  const protocol = protocolText.toLowerCase() || "tcp";
  if (!["tcp", "udp", "sctp"].includes(protocol)) {
    throw wrapError(new FrontendError(`invalid proto: ${protocolText}`), `invalid port: ${quote(raw)}`);
  }
  if (protocolText !== protocolText.toLowerCase()) linter.run("ExposeProtoCasing", location, raw);
  if (ip !== "" || hostPort !== "") linter.run("ExposeInvalidFormat", location, raw);
  checkIp(ip);
  const range = tryParseRange(container);
  if (range === undefined) throw new FrontendError(`invalid containerPort: ${container}`);
  if (hostPort !== "") {
    const host = tryParseRange(hostPort);
    if (host === undefined) throw new FrontendError(`invalid hostPort: ${hostPort}`);
    if (range.end - range.start !== host.end - host.start && range.end !== range.start) {
      throw new FrontendError(`invalid ranges specified for container and host Ports: ${container} and ${hostPort}`);
    }
  }
  return Array.from({ length: range.end - range.start + 1 }, (_, at) => `${range.start + at}/${protocol}`);
}

function splitParts(raw: string): { ip: string; hostPort: string; containerPort: string } {
  const parts = raw.split(":");
  const containerPort = parts.pop()!;
  const hostPort = parts.pop() ?? "";
  return { ip: parts.join(":"), hostPort, containerPort };
}

function checkIp(text: string): void {
  let ip = text;
  if (ip.startsWith("[")) {
    const end = ip.indexOf("]");
    const problem = end < 0 ? "missing ']' in address" : end !== ip.length - 1 ? "missing port in address" : undefined;
    if (problem !== undefined) throw new FrontendError(`invalid IP address ${ip}: address ${ip}:: ${problem}`);
    ip = ip.slice(1, end);
  }
  if (ip !== "" && (isIP(ip) === 0 || ip.includes("%"))) throw new FrontendError(`invalid IP address: ${ip}`);
}

function tryParseRange(text: string): { start: number; end: number } | undefined {
  const { before, after, found } = cut(text, "-");
  const start = tryParsePort(before);
  if (start === undefined) return undefined;
  if (!found || before === after) return { start, end: start };
  const end = tryParsePort(after);
  return end === undefined || end < start ? undefined : { start, end };
}

function tryParsePort(text: string): number | undefined {
  const port = tryParseInt(text, 10, 64);
  return typeof port === "bigint" && port >= 0n && port <= 65535n ? Number(port) : undefined;
}
