// Which platforms' programs this machine runs: its own, those that its processor runs as well, and those that an emulator is
// registered for. Spec: Linux Documentation/admin-guide/binfmt-misc.rst.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { formatAllPlatform, hostPlatform, normalizePlatform, type Platform } from "../../formats/oci/index.ts";

const BINFMT = "/proc/sys/fs/binfmt_misc";

// Class (1: 32 bits, 2: 64), data (1: little endian, 2: big), machine; from elf.h.
const ELF: Readonly<Record<string, readonly [number, number, number]>> = {
  "386": [1, 1, 3],
  amd64: [2, 1, 62],
  arm: [1, 1, 40],
  arm64: [2, 1, 183],
  loong64: [2, 1, 258],
  mips64: [2, 2, 8],
  mips64le: [2, 1, 8],
  ppc64le: [2, 1, 21],
  riscv64: [2, 1, 243],
  s390x: [2, 2, 22],
};

/** Whether steps of the platform can run here. `registry` is where the kernel lists emulators. */
export function canRun(platform: Platform, registry = BINFMT): boolean {
  const host = normalizePlatform(hostPlatform());
  const wanted = normalizePlatform(platform);
  if (wanted.os !== host.os) return false;
  if (wanted.architecture === host.architecture) return true;
  if (host.architecture === "amd64" && wanted.architecture === "386") return true;
  // Many arm64 machines run 32-bit programs, and the kernel does not say which: the step itself shows it.
  if (host.architecture === "arm64" && wanted.architecture === "arm") return true;
  const header = elfHeader(wanted.architecture);
  return header !== undefined && emulators(registry).some((entry) => matches(entry, header));
}

/** Platforms whose steps run here, this machine's own first. */
export function runnablePlatforms(): Platform[] {
  const host = normalizePlatform(hostPlatform());
  const others = ["amd64", "386", ...Object.keys(ELF)].filter((architecture) => architecture !== host.architecture);
  const wanted = [...new Set(others)].map((architecture) => normalizePlatform({ os: host.os, architecture }));
  return [host, ...wanted.filter((platform) => canRun(platform))];
}

/** The error for a step that can't run here, with what to do about it. */
export function cannotRun(step: string, platform: Platform): BuildError {
  const name = formatAllPlatform(normalizePlatform(platform));
  return new BuildError(`${step} is for ${name}, whose programs this machine can't run`, {
    code: "FOREIGN_PLATFORM",
    status: "FailedPrecondition",
    hint:
      "run the step on this machine's platform (FROM --platform=$BUILDPLATFORM, and cross-compile by $TARGETARCH), " +
      "register an emulator (docker run --privileged --rm tonistiigi/binfmt --install all), or build on such a machine",
  });
}

function elfHeader(architecture: string): Buffer | undefined {
  const facts = ELF[architecture];
  if (facts === undefined) return undefined;
  const [wordClass, data, machine] = facts;
  const header = Buffer.alloc(20);
  header.set([0x7f, 0x45, 0x4c, 0x46, wordClass, data, 1]);
  const write = (value: number, at: number) =>
    data === 1 ? header.writeUInt16LE(value, at) : header.writeUInt16BE(value, at);
  write(2, 16); // an executable
  write(machine, 18);
  return header;
}

interface Emulator {
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer | undefined;
}

// Only those that the kernel opened when they were registered (flag F): others would have to lie in the image.
function emulators(registry: string): Emulator[] {
  let names: string[];
  try {
    names = readdirSync(registry).filter((name) => name !== "register" && name !== "status");
    if (!readFileSync(join(registry, "status"), "utf8").startsWith("enabled")) return [];
  } catch {
    return []; // not mounted: no emulators
  }
  return names.flatMap((name) => {
    const lines = readFileSync(join(registry, name), "utf8").split("\n");
    const value = (key: string) => lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
    const magic = value("magic");
    if (lines[0] !== "enabled" || magic === undefined || value("flags:")?.includes("F") !== true) return [];
    const mask = value("mask");
    return [
      {
        offset: Number(value("offset") ?? 0),
        magic: Buffer.from(magic, "hex"),
        mask: mask === undefined ? undefined : Buffer.from(mask, "hex"),
      },
    ];
  });
}

function matches({ offset, magic, mask }: Emulator, header: Buffer): boolean {
  return magic.every((byte, at) => {
    const bits = mask?.[at] ?? 0xff;
    return ((header[offset + at] ?? 0) & bits) === (byte & bits);
  });
}
