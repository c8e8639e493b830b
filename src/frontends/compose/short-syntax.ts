// Checks of ports and volumes in their one-line forms. Counterpart: docker/go-connections nat, compose-go format/volume.go.

import { isIP } from "node:net";
import { composeError } from "./error.ts";

/** @throws COMPOSE_INVALID for what is no `[HOST:][PUBLISHED:]CONTAINER[/PROTOCOL]`. */
export function checkPort(text: string): void {
  const match = /^(?:(.*):)??(?:([^:]*):)?([^:/]*)(?:\/(.*))?$/.exec(text);
  const [, host = "", published = "", target = "", protocol = "tcp"] = match ?? [];
  if (target === "") throw composeError(`no port specified: ${text}<empty>`);
  if (!isPortRange(target)) throw composeError(`invalid containerPort: ${target}`);
  if (published !== "" && !isPortRange(published)) throw composeError(`invalid hostPort: ${published}`);
  if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) throw composeError(`invalid proto: ${protocol}`);
  const address = host.replace(/^\[(.*)\]$/, "$1");
  if (address !== "" && isIP(address) === 0) throw composeError(`invalid IP address: ${address}`);
}

function isPortRange(text: string): boolean {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  return first !== undefined && Number(last) <= 65535 && Number(first) <= Number(last);
}

/** @throws COMPOSE_INVALID for what is no `[SOURCE:]TARGET[:OPTIONS]`. */
export function checkVolume(text: string): void {
  if (text === "") throw composeError("invalid empty volume spec");
  if (text.length < 3) return;
  const parts = text.replace(/^[A-Za-z]:(?=[\\/])/, "").split(":");
  if (parts.includes("")) throw composeError(`invalid spec: ${text}: empty section between colons`);
  if (parts.length > 3) throw composeError(`invalid spec: ${text}: too many colons`);
}
