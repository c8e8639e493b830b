// What the crash tests look at: files of a result, an OCI layout's own consistency, and everything that a store must not keep.

import { createHash } from "node:crypto";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** One line for each file below `dir`: path, type, mode, owner, content. Times are left out: a step made anew has new ones. */
export function describeTree(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => {
      const path = join(dir, name);
      const stat = lstatSync(path);
      const content = stat.isFile() ? sha256(readFileSync(path)) : stat.isSymbolicLink() ? readlinkSync(path) : "";
      return `${name} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`;
    });
}

/** Checks every digest and size of an OCI layout folder, from its index down, diff IDs included. @throws naming the blob that lies. */
export function checkLayout(dir: string): void {
  interface Descriptor {
    digest: string;
    size: number;
    mediaType: string;
  }
  const blob = ({ digest, size }: Descriptor): Buffer => {
    const bytes = readFileSync(join(dir, "blobs", digest.replace(":", "/")));
    if (`sha256:${sha256(bytes)}` !== digest || bytes.length !== size) throw new Error(`blob ${digest} lies`);
    return bytes;
  };
  const index = JSON.parse(readFileSync(join(dir, "index.json"), "utf8")) as { manifests: Descriptor[] };
  if (index.manifests.length === 0) throw new Error("the index is empty");
  for (const each of index.manifests) {
    const manifest = JSON.parse(blob(each).toString()) as { config: Descriptor; layers: Descriptor[] };
    const config = JSON.parse(blob(manifest.config).toString()) as { rootfs: { diff_ids: string[] } };
    const diffIds = manifest.layers.map((layer) => {
      const bytes = blob(layer);
      return layer.mediaType.endsWith(".tar") ? `sha256:${sha256(bytes)}` : undefined;
    });
    for (const [at, diffId] of diffIds.entries()) {
      if (diffId !== undefined && diffId !== config.rootfs.diff_ids[at]) throw new Error(`diff ID ${diffId} lies`);
    }
  }
}

/** What a store must not keep once nobody works on it, one line each; empty when it is clean. */
export function leftovers(root: string): string[] {
  const found: string[] = [];
  for (const folder of ["run", "tmp", "content/ingest"]) {
    for (const name of list(join(root, folder))) found.push(`${folder}/${name}`);
  }
  const layers = new Set(list(join(root, "snapshots")));
  for (const name of layers) if (/^(tmp|probe)-/.test(name)) found.push(`snapshots/${name}`);
  const db = new DatabaseSync(join(root, "store.db"), { readOnly: true });
  try {
    const rows = <T>(sql: string) => db.prepare(sql).all() as T[];
    for (const lease of rows<{ ref: string; holder: string }>("SELECT ref, holder FROM ref_leases"))
      found.push(`lease of ${lease.ref} by ${lease.holder}`);
    const known = new Set(rows<{ id: string }>("SELECT id FROM layers").map(({ id }) => id));
    for (const name of layers) if (!known.has(name)) found.push(`layer without a row: ${name}`);
    for (const { id } of rows<{ id: string }>("SELECT id FROM layers WHERE unpacked = 1"))
      if (!layers.has(id)) found.push(`layer without files: ${id}`);
    const [integrity] = rows<{ integrity_check: string }>("PRAGMA integrity_check");
    if (integrity?.integrity_check !== "ok") found.push(`database: ${integrity?.integrity_check ?? "?"}`);
  } finally {
    db.close();
  }
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n"))
    if (line.includes(`${root}/`)) found.push(`mount ${line}`);
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const read = (name: string): string => {
      try {
        return readFileSync(`/proc/${pid}/${name}`, "utf8");
      } catch {
        return "";
      }
    };
    const command = read("cmdline").replaceAll("\0", " ");
    if (command.includes(root) || read("mountinfo").includes(`${root}/`) || read("environ").includes(root))
      found.push(`process ${pid}: ${command}`);
  }
  return found;
}

/** Control groups of steps under the parent that builds were given. */
export function stepCgroups(parent: string): string[] {
  return cgroupFolders(parent).flatMap((folder) => list(folder).filter((name) => name.startsWith("slipway-")));
}

/** Removes the parent itself, which belongs to who named it. */
export function removeCgroups(parent: string): void {
  for (const folder of cgroupFolders(parent)) {
    rmdirSync(folder);
    rmdirSync(join(folder, ".."));
  }
}

function cgroupFolders(parent: string): string[] {
  return ["", ...list("/sys/fs/cgroup")]
    .map((hierarchy) => join("/sys/fs/cgroup", hierarchy, parent, "slipway"))
    .filter((folder) => existsSync(folder) && !lstatSync(join(folder, "../..")).isSymbolicLink());
}

function list(dir: string): string[] {
  if (!existsSync(dir)) return [];
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
