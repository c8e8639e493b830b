// Ports and volumes in their one-line forms, made into the long ones. Counterpart: docker/go-connections nat, compose-go
// types/types.go ParsePortConfig, format/volume.go.

import { isIP } from "node:net";
import { posix } from "node:path";
import { composeError } from "./error.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

/** The ports that `[HOST:][PUBLISHED:]CONTAINER[/PROTOCOL]` stands for, one entry each. @throws COMPOSE_INVALID. */
export function parsePort(text: string): ComposeMap[] {
  const { host, published, target, protocol } = portParts(text);
  if (target === "") throw composeError(`no port specified: ${text}<empty>`);
  const targets = portRange(target);
  if (targets === undefined) throw composeError(`invalid containerPort: ${target}`);
  const onHost = published === "" ? undefined : portRange(published);
  if (published !== "" && onHost === undefined) throw composeError(`invalid hostPort: ${published}`);
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) throw composeError(`invalid proto: ${protocol}`);
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (address !== "" && isIP(address) === 0) throw composeError(`invalid IP address: ${address}`);
  const [first, last] = targets;
  const count = last - first + 1;
  if (onHost !== undefined && onHost[1] - onHost[0] + 1 !== count && count !== 1) {
    throw composeError(`invalid ranges specified for container and host Ports: ${target} and ${published}`);
  }
  return Array.from({ length: count }, (_, at) => {
    let shown = "";
    if (onHost !== undefined) shown = count === 1 ? published : String(onHost[0] + at);
    return new Map<string, ComposeValue>([
      ["mode", "ingress"],
      ...(address === "" ? [] : [["host_ip", address] as const]),
      ["target", BigInt(first + at)],
      ...(shown === "" ? [] : [["published", shown] as const]),
      ["protocol", protocol.toLowerCase()],
    ]);
  });
}

function portParts(text: string) {
  const slash = text.lastIndexOf("/");
  const protocol = slash < 0 ? "tcp" : text.slice(slash + 1);
  const parts = (slash < 0 ? text : text.slice(0, slash)).split(":");
  const target = parts.pop() ?? "";
  const published = parts.pop() ?? "";
  return { host: parts.join(":"), published, target, protocol: protocol === "" ? "tcp" : protocol };
}

function portRange(text: string): readonly [number, number] | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === undefined || Number(last) > 65535 || Number(first) > Number(last)) return undefined;
  return [Number(first), Number(last)];
}

const propagations = new Set(["rprivate", "private", "rshared", "shared", "rslave", "slave"]);

/** The mount that `[SOURCE:]TARGET[:OPTIONS]` stands for. @throws COMPOSE_INVALID. */
export function parseVolume(text: string): ComposeMap {
  if (text === "") throw composeError("invalid empty volume spec");
  const parts = text.length < 3 ? [text] : volumeParts(text);
  if (parts.includes("")) throw composeError(`invalid spec: ${text}: empty section between colons`);
  if (parts.length > 3) throw composeError(`invalid spec: ${text}: too many colons`);
  const [source, target, options = ""] = parts.length === 1 ? [undefined, parts[0]!] : [parts[0], parts[1]!, parts[2]];
  const isBind = source !== undefined && /^(?:[.~/]|\\\\|[A-Za-z]:\\)/.test(source);
  const bind: ComposeMap = new Map();
  const volume: ComposeMap = new Map();
  let readOnly = false;
  for (const option of options.split(",")) {
    if (option === "ro" || option === "rw") readOnly = option === "ro";
    else if (option === "nocopy") volume.set("nocopy", true);
    else if (propagations.has(option)) bind.set("propagation", option);
    else if (option === "z" || option === "Z") bind.set("selinux", option);
  }
  // The one-line form has always made what is missing on the host.
  if (isBind) bind.set("create_host_path", true);
  return new Map<string, ComposeValue>([
    ["type", isBind ? "bind" : "volume"],
    ...(source === undefined ? [] : [["source", source] as const]),
    ["target", posix.normalize(target).replace(/(.)\/$/, "$1")],
    ...(readOnly ? [["read_only", true] as const] : []),
    ...(bind.size > 0 ? [["bind", bind] as const] : []),
    ...(isBind && volume.size === 0 ? [] : [["volume", volume] as const]),
  ]);
}

/** A drive letter's colon parts nothing. Differs: `v:/data` is a volume named v, not a drive. */
function volumeParts(text: string): string[] {
  const drive = /^[A-Za-z]:(?=\\)/.exec(text)?.[0] ?? "";
  const [first = "", ...rest] = text.slice(drive.length).split(":");
  return [drive + first, ...rest];
}
