// Caches of a request in folders of this machine: the builder reaches them through the session, and the folder's index is kept here.
// Counterpart: moby/buildkit client/solve.go parseCacheOptions, client/ociindex.

import { mkdirSync } from "node:fs";
import { putLocalCacheIndex, localCacheDigest } from "../../engine/cache/index.ts";
import { readDescriptor } from "../../formats/oci/index.ts";
import type { control } from "../../formats/proto/index.ts";

export interface CachePlaces {
  /** Layouts that the session offers. */
  readonly stores: ReadonlyMap<string, string>;
  readonly exports: readonly Entry[];
  readonly imports: readonly Entry[];
  /** Notes the exported cache in its folder's index. */
  finish(response: Readonly<Record<string, string>>): Promise<void>;
}

type Entry = Pick<control.CacheOptionsEntry, "Type" | "Attrs">;

/** What our engine does with a cache and BuildKit does not know. */
const OWN_ATTRIBUTES = ["mounts", "mount-scope", "max-size", "max-age", "explain"];

/** What of a request's caches lies in folders of this machine. Makes folders that are to be written. @throws system errors. */
export function cachePlaces(cache: control.CacheOptions | undefined, onWarning: (text: string) => void): CachePlaces {
  const stores = new Map<string, string>();
  const tags = new Map<string, string>();
  const exports = (cache?.Exports ?? []).map(({ Type, Attrs }): Entry => {
    const dest = Attrs["dest"];
    if (Type === "local" && dest !== undefined) {
      mkdirSync(dest, { recursive: true });
      stores.set(`local:${dest}`, dest);
      tags.set(dest, Attrs["tag"] ?? "latest");
    }
    return { Type, Attrs: plain(Attrs) };
  });
  const imports = (cache?.Imports ?? []).flatMap(({ Type, Attrs }): Entry[] => {
    const src = Attrs["src"];
    if (Type !== "local" || src === undefined) return [{ Type, Attrs: plain(Attrs) }];
    const digest = Attrs["digest"] ?? localCacheDigest(src, Attrs["tag"] ?? "latest");
    if (digest === undefined) {
      onWarning(`local cache import at ${src} skipped: no cache tagged ${Attrs["tag"] ?? "latest"}`);
      return [];
    }
    stores.set(`local:${src}`, src);
    return [{ Type, Attrs: { ...plain(Attrs), digest } }];
  });
  return {
    stores,
    exports,
    imports,
    async finish(response) {
      const text = response["cache.manifest"];
      if (text === undefined || text === "") return;
      const descriptor = readDescriptor(JSON.parse(text), "cache.manifest");
      for (const [dir, tag] of tags) await putLocalCacheIndex(dir, tag, descriptor);
    },
  };
}

function plain(attributes: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !OWN_ATTRIBUTES.includes(name)));
}
