// Completes package-lock.json after `npm install`: adds the optional packages of platforms that the registry at hand did not offer, so
// that `npm ci` finds the lock whole, and drops download addresses. Run it after every change of dependencies.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Entry {
  version?: string;
  resolved?: string;
  optional?: boolean;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

const path = join(import.meta.dirname, "..", "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, Entry> };
for (const entry of Object.values(lock.packages)) {
  delete entry.resolved;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined) continue;
    lock.packages[key] = { version, optional: true, ...(entry.dev ? { dev: true } : {}), ...platformOf(name) };
  }
}
const [own, ...rest] = Object.entries(lock.packages);
lock.packages = Object.fromEntries([own!, ...rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

/** Which machines a platform package is for, read from its name; nothing else says it here. */
function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> {
  const os = /(darwin|win32|android|freebsd|openbsd|openharmony|linux|wasm32)/.exec(name)?.[1] ?? "none";
  const cpu = /(arm64|aarch64|x64|ia32|riscv64|s390x|ppc64|loong64|wasm32|armv7|arm)/.exec(name)?.[1] ?? "none";
  const cpuName = { aarch64: "arm64", armv7: "arm" }[cpu] ?? cpu;
  return { os: [os], cpu: [cpuName], ...(name.includes("musl") ? { libc: ["musl"] } : {}) };
}
