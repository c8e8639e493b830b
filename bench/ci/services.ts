// The six services that the CI benchmark builds: contexts with the same Dockerfile and scripts, dependencies and sources of their own,
// and one bake file for all.

import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const serviceNames = ["gateway", "web", "api", "orders", "mailer", "reports"] as const;
/** The service whose source changes. */
export const changedService = "web";

export interface WorkSize {
  readonly packages: number;
  readonly filesPerPackage: number;
  /** How often the installation does its work again. */
  readonly effort: number;
}

export const fullSize: WorkSize = { packages: 400, filesPerPackage: 10, effort: 4 };
export const quickSize: WorkSize = { packages: 10, filesPerPackage: 3, effort: 1 };

/** What a service's image says first when it is run. */
export function greeting(service: string, isChanged: boolean): string {
  return `${service} says ${isChanged && service === changedService ? "good morning" : "hello"}`;
}

/** Writes all contexts below `folder`. */
export function writeServices(folder: string, { isChanged, size }: { isChanged: boolean; size: WorkSize }): void {
  for (const [index, name] of serviceNames.entries()) {
    const dir = join(folder, name);
    mkdirSync(dir, { recursive: true });
    cpSync(join(import.meta.dirname, "service"), dir, { recursive: true });
    mkdirSync(join(dir, "src"), { recursive: true });
    writeFileSync(
      join(dir, "package.json"),
      `${JSON.stringify({ name, seed: 1000 + index, ...size }, undefined, 2)}\n`,
    );
    writeFileSync(join(dir, "src/main.js"), `export const message = "${greeting(name, isChanged)}";\n`);
    for (let module = 0; module < 40; module++)
      writeFileSync(join(dir, `src/part${module}.js`), `export const part = ${module};\n`.repeat(50));
  }
}

export interface BakeOptions {
  readonly base: string;
  /** Services whose images are loaded; the others are only built. */
  readonly loaded: readonly string[];
  /** Kept in the builder's own store, not loaded into an engine. */
  readonly isKept?: boolean;
  readonly cacheFrom?: ((service: string) => string) | undefined;
  readonly cacheTo?: ((service: string) => string) | undefined;
}

/** Writes the bake file of a job into the folder of its contexts. */
export function writeBakeFile(folder: string, { base, loaded, isKept = false, cacheFrom, cacheTo }: BakeOptions): void {
  const target = (name: string) => ({
    context: `./${name}`,
    args: { BASE: base },
    tags: [imageName(name)],
    output: [!loaded.includes(name) ? "type=cacheonly" : isKept ? "type=image" : "type=docker"],
    ...(cacheFrom === undefined ? {} : { "cache-from": [cacheFrom(name)] }),
    ...(cacheTo === undefined ? {} : { "cache-to": [cacheTo(name)] }),
  });
  const file = {
    group: { default: { targets: serviceNames } },
    target: Object.fromEntries(serviceNames.map((name) => [name, target(name)])),
  };
  writeFileSync(join(folder, "docker-bake.json"), JSON.stringify(file, undefined, 2));
}

export function imageName(service: string): string {
  return `shop/${service}:ci`;
}
