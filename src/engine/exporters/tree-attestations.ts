// Attestations beside the files that they are about: each a statement whose subjects are all regular files of the tree.
// Counterpart: moby/buildkit exporter/local/fs.go CreateFS.

import * as fs from "node:fs";
import { byteString, Digester, fsPath, textOf } from "../../base/index.ts";
import type { ByteString } from "../../base/index.ts";
import { type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { digestMap, statementJson } from "./attestation.ts";
import type { MadeAttestation, Subject } from "./attestation.ts";
import { invalidAttribute } from "./attributes.ts";
import { indentJson } from "./raw-json.ts";
import { readNames, typeOf } from "./tree.ts";

/** An attestation and the name of its file. */
export interface TreeAttestation {
  readonly name: string;
  readonly made: MadeAttestation;
}

const CHUNK = 1024 * 1024;

/** What the files of a tree's attestations are called. @throws EXPORT_ATTRIBUTE_INVALID when two have one name. */
export function attestationNames(paths: readonly string[], prefix: string, platform: string): string[] {
  const names = paths.map((path) => {
    const name = `${prefix}${path.slice(path.lastIndexOf("/") + 1)}`;
    if (["", ".", ".."].includes(name))
      throw invalidAttribute(`attestation path ${JSON.stringify(path)} is no file name`, "give it another filename=");
    if (platform === "") return name;
    const dot = name.lastIndexOf(".");
    const end = dot < 0 ? name.length : dot;
    return `${name.slice(0, end)}.${platform}${name.slice(end)}`;
  });
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw invalidAttribute(`duplicate attestation path name ${twice}`, "give one of them another filename=");
  return names;
}

/** The statements of a tree as files. Reads every file of the tree. */
export function statementFiles(
  root: ByteString,
  attestations: readonly TreeAttestation[],
  context: JobContext,
): { readonly name: ByteString; readonly bytes: Uint8Array }[] {
  if (attestations.length === 0) return [];
  const subjects: Subject[] = [];
  hashFiles(root, "", context, (path, digest) => subjects.push({ name: textOf(path), digest: digestMap(digest) }));
  return attestations.map(({ name, made }) => ({
    name: byteString(name),
    bytes: Buffer.from(indentJson(statementJson(made, subjects))),
  }));
}

function hashFiles(
  root: ByteString,
  dir: ByteString,
  context: JobContext,
  found: (path: ByteString, digest: ReturnType<Digester["digest"]>) => void,
): void {
  for (const name of readNames(dir === "" ? root : `${root}/${dir}`)) {
    throwIfAborted(context);
    const path = dir === "" ? name : `${dir}/${name}`;
    const type = typeOf(fs.lstatSync(fsPath(`${root}/${path}`), { bigint: true }));
    if (type === "dir") hashFiles(root, path, context, found);
    else if (type === "file") found(path, hashFile(`${root}/${path}`));
  }
}

function hashFile(path: ByteString): ReturnType<Digester["digest"]> {
  const fd = fs.openSync(fsPath(path), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  try {
    const digester = new Digester();
    const chunk = Buffer.allocUnsafeSlow(CHUNK);
    for (let read = fs.readSync(fd, chunk); read > 0; read = fs.readSync(fd, chunk))
      digester.update(chunk.subarray(0, read));
    return digester.digest();
  } finally {
    fs.closeSync(fd);
  }
}
