// What a build read and needed: images, git, web and local sources, secrets, agents, the network. Sources are known exactly (digest,
// commit), and no URL keeps its credentials. Counterpart: moby/buildkit solver/llbsolver/provenance/capture.go.

import { formatAllPlatform, normalizePlatform, parseReference, referenceName } from "../../formats/oci/index.ts";
import type { Platform } from "../../formats/oci/index.ts";
import { redactCredentials } from "./redact-credentials.ts";

export interface ImageMaterial {
  readonly ref: string;
  readonly platform: Platform | undefined;
  readonly digest: string;
  /** From an OCI layout of the client's, not from a registry. */
  readonly local: boolean;
}

export interface NamedNeed {
  readonly id: string;
  readonly optional: boolean;
}

/** Collects; each thing once, whoever needs it. */
export class Capture {
  readonly #images = new Map<string, ImageMaterial>();
  readonly #git = new Map<string, string>();
  readonly #http = new Map<string, string>();
  readonly #locals = new Set<string>();
  readonly #secrets = new Map<string, boolean>();
  readonly #ssh = new Map<string, boolean>();
  networkAccess = false;
  incompleteMaterials = false;

  addImage(image: ImageMaterial): void {
    const platform = image.platform === undefined ? "" : formatAllPlatform(normalizePlatform(image.platform));
    const key = `${image.local} ${platform} ${image.ref}`;
    if (!this.#images.has(key)) this.#images.set(key, image);
  }

  addGit(url: string, commit: string): void {
    const shown = redactCredentials(url);
    if (!this.#git.has(shown)) this.#git.set(shown, commit);
  }

  addHttp(url: string, digest: string): void {
    const shown = redactCredentials(url);
    if (!this.#http.has(shown)) this.#http.set(shown, digest);
  }

  addLocal(name: string): void {
    this.#locals.add(name);
  }

  addSecret({ id, optional }: NamedNeed): void {
    this.#secrets.set(id, optional && (this.#secrets.get(id) ?? true));
  }

  addSsh({ id, optional }: NamedNeed): void {
    const name = id === "" ? "default" : id;
    this.#ssh.set(name, optional && (this.#ssh.get(name) ?? true));
  }

  /** Sorted; one known by a tag is not named again by its digest. */
  get images(): readonly ImageMaterial[] {
    const all = [...this.#images.values()];
    const tagged = new Set(all.filter(({ ref }) => parseReference(ref).digest === undefined).map(nameAndTag));
    return all
      .filter((image) => parseReference(image.ref).digest === undefined || !tagged.has(nameAndTag(image)))
      .toSorted((a, b) => compare(a.ref, b.ref));
  }

  /** URL and commit, sorted. */
  get git(): readonly (readonly [string, string])[] {
    return [...this.#git].toSorted(([a], [b]) => compare(a, b));
  }

  /** URL and digest, sorted. */
  get http(): readonly (readonly [string, string])[] {
    return [...this.#http].toSorted(([a], [b]) => compare(a, b));
  }

  get locals(): readonly string[] {
    return [...this.#locals].toSorted(compare);
  }

  get secrets(): readonly NamedNeed[] {
    return needs(this.#secrets);
  }

  get ssh(): readonly NamedNeed[] {
    return needs(this.#ssh);
  }
}

function needs(found: ReadonlyMap<string, boolean>): NamedNeed[] {
  return Array.from(found, ([id, optional]) => ({ id, optional })).toSorted((a, b) => compare(a.id, b.id));
}

function nameAndTag({ ref }: ImageMaterial): string {
  const parsed = parseReference(ref);
  return `${referenceName(parsed)}:${parsed.tag ?? "latest"}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
