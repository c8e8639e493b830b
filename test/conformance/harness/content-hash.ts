// Builds the tree of a content hash case on disk and answers its checks. Needs root, for owners and device nodes.

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../../src/base/index.ts";
import { hashTree } from "../../../src/storage/snapshots/index.ts";
import type { HashRequest } from "../../../src/storage/snapshots/index.ts";
import { makeNode, setXattr } from "../../../src/system/linux/index.ts";
import type { PieceCase } from "./case.ts";

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly content?: string;
  readonly contentBase64?: string;
  readonly contentRepeat?: readonly [string, number];
  readonly linkname?: string;
  readonly devmajor?: number;
  readonly devminor?: number;
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** What the tree's hashes are, in the form of the vectors. */
export function contentHashFacts(one: PieceCase): unknown {
  const input = one.input as unknown as { entries: readonly Entry[]; checks: readonly HashRequest[] };
  const root = fs.mkdtempSync(join(tmpdir(), "slipway-conformance-"));
  try {
    fs.chmodSync(root, 0o755);
    for (const entry of input.entries) make(root, entry);
    const hash = (request: HashRequest) => hashTree({ root, requests: [request] })[0];
    const { entryDigests } = one.expected as unknown as { entryDigests?: Readonly<Record<string, string>> };
    return {
      checks: input.checks.map((check) => {
        try {
          return { digest: hash(check) };
        } catch (error) {
          return { error: messageOf(error) };
        }
      }),
      ...(entryDigests === undefined
        ? {}
        : { entryDigests: Object.fromEntries(Object.keys(entryDigests).map((path) => [path, hash({ path })])) }),
    };
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}

function make(root: string, entry: Entry): void {
  const path = join(root, entry.path);
  if (entry.type === "hardlink") {
    fs.linkSync(join(root, entry.linkname!), path);
    return;
  }
  if (entry.type === "dir") fs.mkdirSync(path, { recursive: true });
  else if (entry.type === "symlink") fs.symlinkSync(entry.linkname!, path);
  else if (entry.type === "file") fs.writeFileSync(path, contentOf(entry));
  else if (entry.type === "fifo") makeNode(path, 0o010600);
  else makeNode(path, entry.type.startsWith("char") ? 0o020600 : 0o060600, entry.devmajor ?? 0, entry.devminor ?? 0);
  fs.lchownSync(path, entry.uid ?? 0, entry.gid ?? 0);
  if (entry.type !== "symlink") fs.chmodSync(path, Number.parseInt(entry.mode, 8));
  for (const [name, value] of Object.entries(entry.xattrs ?? {})) setXattr(path, name, Buffer.from(value));
}

function contentOf(entry: Entry): Buffer {
  if (entry.contentRepeat !== undefined) return Buffer.from(entry.contentRepeat[0].repeat(entry.contentRepeat[1]));
  return entry.contentBase64 === undefined
    ? Buffer.from(entry.content ?? "")
    : Buffer.from(entry.contentBase64, "base64");
}
