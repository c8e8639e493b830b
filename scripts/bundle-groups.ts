// Which files of the bundle hold which modules. A file is read, and taken back from V8's kept code, as a whole when something in it is first used: what
// a build with nothing changed calls nothing of is in files of its own, a third of the bundle and a twelfth of such a build's time.
//
// A module that others use while they are loaded has to be in the file that is loaded first: two files that need each other meanwhile find nothing.

import { existsSync } from "node:fs";
import { join } from "node:path";

type Modules = Readonly<Record<string, string>>;

/** Making layers, running steps, copying files, other sources, exchanged caches: by folder below `src`. Found by V8's coverage of such a build. */
const seldom: Modules = {
  distribution: "image-copier",
  "engine/cache":
    "cache-attributes cache-config cache-export cache-graph cache-manifest cache-nodes collect-records export-cost importer inline-cache layer-descriptor local-cache mount-manifest registry-cache retention session-cache",
  "engine/executor": "inside leftovers mount-stubs network-files runtime runtime-executor seccomp spec user",
  "engine/exporters":
    "copy-in-kernel copy-tree failures jobs sink tree tree-attestations tree-exporter tree-tar write-archive write-layout",
  "engine/ops":
    "diff-op exec-error exec-mounts file-actions file-content file-copy file-errors file-jobs file-mode file-owner file-paths file-unpack file-wildcards git-op http-op merge-op secrets small-actions",
  "engine/provenance": "build-config redact-credentials",
  "engine/solve": "definition-result frontend-image kept-ref push-kept read-bundle root-image spdx-layers stand-in",
  "engine/sources":
    "change-clock git-checkout git-identifier git-repository http-errors http-identifier local-filter local-tree shared-digests walk-record",
  "formats/archive": "compression entry estargz gzip-level stored-pieces tar-reader tar-writer whiteout",
  "formats/patterns": "automaton glob-syntax matcher symbolic-mode",
  "storage/refs": "usage",
  "storage/snapshots":
    "copy-file copy-layers copy-snapshotter decompress-blob disk-usage entry-digest folder-changes hash-tree inner-paths jobs layer-stack overlay-form pack-layer path-match settle-layer slab-digester tree-hasher",
  "system/linux": "deflate sha256",
  "system/process": "run-to-end spawn-process",
};

/** Daemons and their clients. */
const remote: Modules = {
  "formats/fsutil": "modes stat wire",
  "frontends/gateway": "bridge-methods caps llb-bridge result sbom",
  "service/builders":
    "cache-mounts container-daemon drivers features fleet-builder images kubectl kubernetes-daemon kubernetes-manifest node-daemon option-values refuse remote-builder remote-history remote-outputs remote-results remote-usage usage",
  "service/session":
    "content-reads content-stores key-agent receive-files registry-auth remote-agent remote-blobs remote-connection remote-entry-list remote-headers remote-output remote-receiver remote-session remote-sessions remote-sync remote-sync-messages remote-sync-outbox send-files serve-session",
  "system/rpc":
    "address channel client-call incoming message-reader message-writer metadata resumable resume-client resume-hello resume-server server server-call service settings socket-path tunnel",
};

export interface BundleGroup {
  readonly name: string;
  readonly test: RegExp | ((id: string) => boolean);
  readonly priority: number;
  readonly includeDependenciesRecursively?: boolean;
}

/** Rolldown's groups for the command. The rest is loaded by the verbs that need it. */
export function bundleGroups(root: string): BundleGroup[] {
  return [
    // What every command starts with.
    { name: "start", test: /\/src\/cli\/start\.ts$/, priority: 2 },
    { name: "seldom", test: among(root, seldom), priority: 3, includeDependenciesRecursively: false },
    { name: "remote", test: among(root, remote), priority: 3, includeDependenciesRecursively: false },
    // What a build needs of the engine.
    {
      name: "build",
      test: /\/src\/(base|engine|formats|graph|storage|distribution|system|frontends\/(dockerfile|gateway)|service\/(session|builders|history)|cli\/progress)\/|\/node_modules\/@bufbuild\//,
      priority: 1,
      includeDependenciesRecursively: false,
    },
  ];
}

/** @throws where a name is of no module: it was moved. */
function among(root: string, modules: Modules): (id: string) => boolean {
  const files = new Set(
    Object.entries(modules).flatMap(([dir, names]) =>
      names.split(" ").map((name) => join(root, "src", dir, `${name}.ts`)),
    ),
  );
  for (const file of files)
    if (!existsSync(file)) throw new Error(`scripts/bundle-groups.ts names ${file}, which is not there`);
  return (id) => files.has(id);
}
