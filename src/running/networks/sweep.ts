// What the dead leave behind: member files of supervisors that were killed, their packet rules, bridges that nobody lives on, and bridges
// and rules whose records are gone. Run by every command that looks at containers; costs a few file reads when there is nothing.
// Invariant: only what carries this state root's mark is touched.

import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { dropBridge, deviceNames, removeChain, rootMark } from "./bridges.ts";
import { tryCommand } from "./commands.ts";
import { liveMembers } from "./create.ts";
import { attachedContainers, isLive, livePath, removeMember, scriptsDir } from "./members.ts";
import { applyCommand, leftoverRemoval, leftoverTables, networkChain, portChain } from "./netfilter.ts";
import { withNetworksLocked } from "./network-lock.ts";
import { bridgeName, namesIn, networkDir, networksDir, readRecords, removeRecord, tryRead } from "./records.ts";

export interface SweepOptions {
  /** Leaves bridges that nobody lives on: a start is about to use one. Defaults to false. */
  readonly keepIdle?: boolean;
  /** Looks for rules and bridges without records although nothing here is dead. Defaults to false. */
  readonly thorough?: boolean;
}

/** Clears away what nobody needs any more. */
export async function sweepNetworks(
  rootPath: string,
  { keepIdle = false, thorough = false }: SweepOptions = {},
): Promise<void> {
  if (!existsSync(networksDir(rootPath))) return;
  const root = realpathSync(rootPath);
  await withNetworksLocked(root, async () => {
    let dead = false;
    for (const containerId of attachedContainers(root)) {
      if (isLive(root, containerId)) continue;
      if (await forget(root, containerId)) dead = true;
    }
    const records = readRecords(root);
    const devices = deviceNames();
    for (const id of namesIn(networksDir(root))) {
      if (/^[0-9a-f]{64}$/.test(id) && !records.some((each) => each.id === id)) removeRecord(root, id);
    }
    if (!keepIdle) {
      for (const record of records) {
        const noted = existsSync(join(networkDir(root, record.id), "filter"));
        if (!noted && !devices.has(bridgeName(record))) continue;
        if (liveMembers(root, record.id).length === 0) await dropBridge(root, record);
      }
    }
    if (!keepIdle) await sweepBridges(root);
    if (dead || thorough) await sweepUnknown(root);
  });
}

/** A container that has ended or did not start: its files, addresses and rules go. */
export async function leaveNetworks(rootPath: string, containerId: string): Promise<void> {
  if (!existsSync(networksDir(rootPath))) return;
  const root = realpathSync(rootPath);
  await withNetworksLocked(root, async () => {
    if (!isLive(root, containerId)) await forget(root, containerId);
  });
}

/** Whether it had ended before it could take its things away. */
async function forget(root: string, containerId: string): Promise<boolean> {
  const unrules = join(scriptsDir(root, containerId), "unrules");
  const crashed = existsSync(livePath(root, containerId)) || existsSync(unrules);
  if (existsSync(unrules)) {
    // Written by the start that made them; the supervisor may have taken them away already, or a firewall a part of them.
    const filter = (tryRead(unrules) ?? "").startsWith("*") ? "iptables" : "nft";
    const { ok } = await tryCommand(applyCommand(filter, unrules));
    if (!ok && filter === "iptables") await removeChain(portChain(containerId));
  }
  removeMember(root, containerId);
  return crashed;
}

/** Bridges that nobody accounts for: of this state root without a record, and those that no wire leads to of state roots that are gone. */
async function sweepBridges(root: string): Promise<void> {
  const known = new Set(readRecords(root).map(bridgeName));
  if (![...deviceNames()].some((name) => /^sw-[0-9a-f]{12}$/.test(name) && !known.has(name))) return;
  const { stdout } = await tryCommand(["ip", "-o", "link", "show", "type", "bridge"]);
  for (const line of stdout.split("\n")) {
    const [, name, mark, place] = /^\d+: (sw-([0-9a-f]{12})): .*alias (slipway:\S+)/.exec(line) ?? [];
    if (name === undefined || known.has(name)) continue;
    if (!isOrphan(place!, root)) continue;
    if (!place!.startsWith(`slipway:${rootMark(root)}`)) {
      const wires = await tryCommand(["ip", "-o", "link", "show", "master", name]);
      // Who has it may see folders that we do not.
      if (!wires.ok || wires.stdout !== "") continue;
    }
    await tryCommand(["ip", "link", "del", name]);
    await removeChain(`SW-${mark}`);
    await tryCommand(["nft", "delete", "table", "ip", `SW-${mark}`]);
  }
}

/** Whether the label of a bridge is this root's, or of one that is not there any more. */
function isOrphan(alias: string, root: string): boolean {
  const [, mark, path] = alias.split(":");
  if (mark === rootMark(root)) return true;
  return path !== undefined && path !== "" && !existsSync(decodeURIComponent(path));
}

/** Packet rules with our mark that no record and no living container accounts for. */
async function sweepUnknown(root: string): Promise<void> {
  const mark = rootMark(root);
  const records = readRecords(root);
  const kept = new Set([...records.map(networkChain), ...attachedContainers(root).map(portChain)]);
  const saved = await tryCommand(["iptables-save"]);
  const rules = saved.ok ? leftoverRemoval(saved.stdout, mark, kept) : "";
  if (rules !== "") await tryCommand(applyCommand("iptables", "/dev/stdin"), rules);
  const listed = await tryCommand(["nft", "list", "ruleset", "ip"]);
  const tables = listed.ok ? leftoverTables(parseTables(listed.stdout), mark, kept) : "";
  if (tables !== "") await tryCommand(applyCommand("nft", "/dev/stdin"), tables);
}

/** Tables of `nft list ruleset` with the mark that their empty chain has. */
function parseTables(text: string): { name: string; mark: string }[] {
  return [...text.matchAll(/^table ip (SWP?-[0-9a-f]{12}) \{\n\tchain slipway-([0-9a-f]{16}) \{/gm)].map(
    ([, name, mark]) => ({ name: name!, mark: mark! }),
  );
}
