// Base images for the examples where no registry can be reached: made on the spot from the distribution's packages, by this very
// engine, and kept under names of their own, so that no other build ever takes one for the real image.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { BuildError, FlightControl, isBuildError } from "../../base/index.ts";
import { familiarString, parseReference, tagNameOnly } from "../../formats/oci/index.ts";
import type { Reference } from "../../formats/oci/index.ts";
import { control } from "../../formats/proto/index.ts";
import { removeTree } from "../../storage/snapshots/index.ts";
import { runToEnd } from "../../system/process/index.ts";
import type { SessionPort } from "../ports/index.ts";
import type { ImageSource, ResolvedImage } from "../sources/index.ts";
import type { Engine } from "./engine.ts";

/** Resolves images; what frontends need of an image source. */
export interface ImageResolver {
  resolve: ImageSource["resolve"];
}

export interface StandInOptions {
  readonly images: ImageResolver;
  readonly engine: Engine;
}

/** An image resolver that makes `busybox` and `debian` itself when their registry can't be reached; each once, whoever asks. */
export function withStandIns({ images, engine }: StandInOptions): ImageResolver {
  const making = new FlightControl<void>();
  return {
    resolve: async (text, options, signal) => {
      try {
        return await images.resolve(text, options, signal);
      } catch (error) {
        const recipe = recipeOf(tagNameOnly(parseReference(text)));
        if (recipe === undefined || !isBuildError(error) || error.code !== "REGISTRY_UNREACHABLE") throw error;
        const known = await tryResolve(images, recipe.name, options, signal);
        if (known !== undefined) return { ...known, ref: text };
        const make = async (stop: AbortSignal) => {
          engine.note(
            `${recipe.image} can't be fetched; making a stand-in for the examples from the distribution's package ${recipe.package}`,
          );
          await makeStandIn(recipe, engine, stop);
        };
        await making.do(recipe.name, make, signal);
        return { ...(await images.resolve(recipe.name, { ...options, mode: "local" }, signal)), ref: text };
      }
    },
  };
}

interface Recipe {
  readonly image: string;
  /** Where the stand-in is kept. */
  readonly name: string;
  readonly package: string;
  /** A file whose time is the stand-in's: made twice, it is the same image. Absent where its contents differ each time anyway. */
  readonly timeOf?: string;
  /** Puts files into the context folder and returns the Dockerfile. */
  readonly prepare: (folder: string, signal: AbortSignal) => Promise<string>;
}

function recipeOf(ref: Reference): Recipe | undefined {
  if (ref.domain !== "docker.io") return undefined;
  const image = familiarString(ref);
  const tag = ref.tag ?? "latest";
  switch (ref.path) {
    case "library/busybox":
      return {
        image,
        name: `stand-in.invalid/busybox:${tag}`,
        package: "busybox-static",
        timeOf: "/bin/busybox",
        prepare: prepareBusybox,
      };
    case "library/debian":
      return { image, name: `stand-in.invalid/debian:${tag}`, package: "debootstrap", prepare: prepareDebian };
    default:
      return undefined;
  }
}

async function prepareBusybox(folder: string, signal: AbortSignal): Promise<string> {
  await needProgram("/bin/busybox", "busybox-static", signal);
  copyFileSync("/bin/busybox", join(folder, "busybox"));
  return [
    "FROM scratch",
    "COPY --chmod=755 busybox /bin/busybox",
    'RUN ["/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin && /bin/busybox --install -s"]',
    `COPY <<"E" /etc/passwd\nroot:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nE`,
    `COPY <<"E" /etc/group\nroot:x:0:\nnobody:x:65534:\nE`,
    "RUN mkdir -p /root /tmp /var /home && chmod 1777 /tmp",
    'CMD ["sh"]',
  ].join("\n");
}

async function prepareDebian(folder: string, signal: AbortSignal): Promise<string> {
  await needProgram("/usr/sbin/debootstrap", "debootstrap", signal);
  const root = join(folder, "root");
  mkdirSync(root);
  const made = await runToEnd(["debootstrap", "--variant=minbase", "bookworm", root], { signal });
  if (made.exitCode !== 0)
    throw cannotMake("debian", made.stdout.toString().trim().split("\n").at(-1) ?? "debootstrap failed");
  return ["FROM scratch", "COPY root/ /", 'CMD ["bash"]'].join("\n");
}

async function needProgram(path: string, name: string, signal: AbortSignal): Promise<void> {
  if (existsSync(path)) return;
  const env = { ...(process.env as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" };
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", name];
  for (const argv of [install, ["apt-get", "update", "-qq"], install]) {
    if (existsSync(path)) return;
    await runToEnd(argv, { env, signal }).catch(() => undefined);
  }
  if (!existsSync(path)) throw cannotMake(name, `as root run: apt-get update && apt-get install -y ${name}`);
}

async function makeStandIn(recipe: Recipe, engine: Engine, stop: AbortSignal): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-base-"));
  try {
    const context = join(folder, "context");
    mkdirSync(context);
    writeFileSync(join(folder, "Dockerfile"), await recipe.prepare(context, stop));
    const epoch = recipe.timeOf === undefined ? undefined : Math.floor(statSync(recipe.timeOf).mtimeMs / 1000);
    const rewrite = { "rewrite-timestamp": "true", compression: "uncompressed" };
    const request = create(control.SolveRequestSchema, {
      Ref: "stand-in",
      Frontend: "dockerfile.v0",
      FrontendAttrs: epoch === undefined ? {} : { "build-arg:SOURCE_DATE_EPOCH": String(epoch) },
      Exporters: [{ Type: "image", Attrs: { name: recipe.name, ...(epoch === undefined ? {} : rewrite) } }],
    });
    const session: SessionPort = {
      id: `stand-in-${process.pid}`,
      localDir: (name) => {
        const path = name === "dockerfile" ? folder : name === "context" ? context : undefined;
        return Promise.resolve(path === undefined ? undefined : { path });
      },
      ociStore: () => undefined,
      secret: () => Promise.resolve(undefined),
      sshAgent: () => Promise.resolve(undefined),
      output: () => undefined,
    };
    await engine.solve(request, session, { onStatus: () => {}, signal: stop });
  } finally {
    removeTree({ path: folder });
  }
}

async function tryResolve(
  images: ImageResolver,
  name: string,
  options: Parameters<ImageSource["resolve"]>[1],
  signal: AbortSignal | undefined,
): Promise<ResolvedImage | undefined> {
  try {
    return await images.resolve(name, { ...options, mode: "local" }, signal);
  } catch (error) {
    if (isBuildError(error)) return undefined;
    throw error;
  }
}

function cannotMake(what: string, why: string): BuildError {
  return new BuildError(`can't make a stand-in for ${what}: ${why}`, {
    code: "STAND_IN_FAILED",
    status: "FailedPrecondition",
  });
}
