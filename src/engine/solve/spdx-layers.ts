// Completes an SPDX document about a result: each file is told to be in a layer, and who completed it. What is no SPDX 2 document
// stays as it is. Counterpart: moby/buildkit exporter/containerimage/attestations.go supplementSBOM.
// Differs: the document's other fields keep their bytes' meaning and order; BuildKit writes it anew through its own model.

import { lstatSync } from "node:fs";
import { byteString, fsPath } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";
import type { LayerBlob } from "../exporters/index.ts";

type Json = Record<string, unknown>;

/** @param folders layers' directories in overlay form, bottom first; @param layers the same layers as blobs. */
export function completeSpdx(
  document: Uint8Array,
  folders: readonly string[],
  layers: readonly LayerBlob[],
  tool: string,
): Uint8Array {
  const spdx = parse(document);
  if (spdx === undefined || folders.length !== layers.length) return document;
  const finder = new LayerFinder(folders);
  for (const file of Array.isArray(spdx["files"]) ? (spdx["files"] as unknown[]) : []) {
    if (!isObject(file) || typeof file["fileName"] !== "string" || (file["comment"] ?? "") !== "") continue;
    const at = finder.find(file["fileName"]);
    if (at !== undefined) file["comment"] = `layerID: ${layers[at]!.descriptor.digest}`;
  }
  const info = isObject(spdx["creationInfo"]) ? spdx["creationInfo"] : {};
  const creators = Array.isArray(info["creators"]) ? (info["creators"] as unknown[]) : [];
  spdx["creationInfo"] = { ...info, creators: [...creators, `Tool: ${tool}`] };
  return Buffer.from(goJson(spdx));
}

function parse(document: Uint8Array): Json | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(document).toString("utf8"));
    const isSpdx = isObject(parsed) && /^SPDX-2\.\d+$/.test(String(parsed["spdxVersion"]));
    return isSpdx ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Finds the topmost layer that has a file; one that was deleted since is where it was made. No link is followed. */
class LayerFinder {
  readonly #folders: readonly string[];
  readonly #isDir = new Map<string, boolean>();

  constructor(folders: readonly string[]) {
    this.#folders = folders.map((each) => byteString(each));
  }

  find(name: string): number | undefined {
    const parts = byteString(name)
      .split("/")
      .filter((part) => part !== "" && part !== ".");
    if (parts.length === 0 || parts.includes("..")) return undefined;
    for (let at = this.#folders.length - 1; at >= 0; at--) if (this.#holds(this.#folders[at]!, parts)) return at;
    return undefined;
  }

  #holds(folder: string, parts: readonly string[]): boolean {
    let path = folder;
    for (const part of parts.slice(0, -1)) {
      path += `/${part}`;
      if (!this.#directory(path)) return false;
    }
    const stat = lstatSync(fsPath(`${path}/${parts.at(-1)!}`), { throwIfNoEntry: false });
    // A character device 0:0 says that the file is deleted.
    return stat !== undefined && !(stat.isCharacterDevice() && stat.rdev === 0);
  }

  #directory(path: string): boolean {
    let known = this.#isDir.get(path);
    if (known === undefined)
      this.#isDir.set(path, (known = lstatSync(fsPath(path), { throwIfNoEntry: false })?.isDirectory() === true));
    return known;
  }
}
