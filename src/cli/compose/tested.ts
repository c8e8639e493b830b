// What an `up` has run: the digest of each image that is built here, so that `push` pushes that one and no other.
// A file for each project below the state root; the last `up` wins.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunProject } from "../../frontends/compose/index.ts";
import type { ProjectImage } from "../../running/projects/index.ts";
import { projectFolder } from "./build-services.ts";

export interface TestedImage {
  readonly reference: string;
  /** Manifest or index in the store. */
  readonly digest: string;
  readonly configDigest: string;
}

export interface Tested {
  readonly services: Readonly<Record<string, TestedImage>>;
  /** Of `--exit-code-from`; absent while, or where, nobody asked. */
  readonly exitCode?: number;
  readonly atMs: number;
}

/** Keeps what is run; of services that this `up` did not touch, what was known before. */
export function recordTested(
  root: string,
  project: RunProject,
  images: ReadonlyMap<string, ProjectImage>,
  exitCode: number | undefined,
): void {
  const services: Record<string, TestedImage> = { ...readTested(root, project.name)?.services };
  for (const [name, { reference, digest, configDigest }] of images) {
    if (project.services.get(name)?.build !== undefined) services[name] = { reference, digest, configDigest };
  }
  if (Object.keys(services).length === 0) return;
  const folder = projectFolder(root, project.name);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "tested.json");
  const tested: Tested = { services, atMs: Date.now(), ...(exitCode === undefined ? {} : { exitCode }) };
  writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(tested, undefined, 2)}\n`);
  renameSync(`${path}.${process.pid}`, path);
}

/** Undefined where no `up` was recorded, or not whole. */
export function readTested(root: string, project: string): Tested | undefined {
  try {
    return JSON.parse(readFileSync(join(projectFolder(root, project), "tested.json"), "utf8")) as Tested;
  } catch {
    return undefined;
  }
}
