// Published ports as docker's -p takes them: `80`, `8080:80`, `127.0.0.1:8080:80`, `127.0.0.1::80`, `[::1]:80:80`, `/udp`, ranges on both sides.
// Counterpart: docker/go-connections nat.ParsePortSpec, with its words.

import { isIP } from "node:net";
import { BuildError } from "../../base/index.ts";
import type { PortRequest } from "./types.ts";

/** All mappings of one -p value. @throws PORT_INVALID in docker's words. */
export function parsePortSpec(spec: string): PortRequest[] {
  const { ip, host, container } = split(spec);
  const slash = container.lastIndexOf("/");
  const protocol = (slash < 0 ? "tcp" : container.slice(slash + 1) || "tcp").toLowerCase();
  const inner = slash < 0 ? container : container.slice(0, slash);
  if (inner === "") throw invalid(spec, `no port specified: ${spec}<empty>`);
  if (ip !== "" && isIP(ip) === 0) throw invalid(spec, `invalid IP address: ${ip}`);
  const target = range(inner);
  if (target === undefined) throw invalid(spec, `invalid containerPort: ${inner}`);
  const source = host === "" ? undefined : range(host);
  if (host !== "" && source === undefined) throw invalid(spec, `invalid hostPort: ${host}`);
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
    throw invalid(spec, `invalid proto: ${protocol}`);
  const count = target[1] - target[0] + 1;
  const mappings: PortRequest[] = [];
  for (let at = 0; at < count; at++) {
    const containerPort = target[0] + at;
    const common = { protocol, containerPort, hostIp: ip } as const;
    if (source === undefined) mappings.push({ ...common, hostPort: "" });
    else if (source[1] - source[0] + 1 === count) mappings.push({ ...common, hostPort: String(source[0] + at) });
    // One port inside, several outside: any free one of them.
    else if (count === 1) mappings.push({ ...common, hostPort: host });
    else throw invalid(spec, `invalid ranges specified for container and host Ports: ${inner} and ${host}`);
  }
  return mappings;
}

/** `80`, `80/udp`, `8000-8010/tcp` of --expose and EXPOSE, one entry a port: `80/tcp`. @throws PORT_INVALID */
export function parseExposed(spec: string): string[] {
  const [ports = "", protocol = "tcp", ...rest] = spec.split("/");
  const found = range(ports);
  if (found === undefined || rest.length > 0 || !/^(tcp|udp|sctp)$/i.test(protocol)) {
    throw invalid(spec, `invalid range format for --expose: ${spec}`);
  }
  const [first, last] = found;
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${protocol.toLowerCase()}`);
}

function split(spec: string): { ip: string; host: string; container: string } {
  const bracket = /^\[([^\]]*)\]:(.*)$/s.exec(spec);
  const [ip, text] = bracket ? [bracket[1]!, bracket[2]!] : ["", spec];
  const parts = text.split(":");
  const container = parts.pop() ?? "";
  const host = parts.pop() ?? "";
  if (bracket && parts.length > 0) throw invalid(spec, `invalid IP address: ${spec.slice(0, spec.lastIndexOf(":"))}`);
  return { ip: bracket ? ip : parts.join(":"), host, container };
}

function range(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first > 65535 || last > 65535 || last < first || first === 0 ? undefined : [first, last];
}

function invalid(spec: string, message: string): BuildError {
  return new BuildError(message, {
    code: "PORT_INVALID",
    status: "InvalidArgument",
    hint: `-p ${spec}: write [IP:][HOSTPORT[-HOSTPORT]:]PORT[-PORT][/tcp|/udp]`,
  });
}
