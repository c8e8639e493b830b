// `run --build`: what is built is run from the very store and engine that built it, in this process.

import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Engine } from "../engine/index.ts";
import { engineOf } from "../service/builders/index.ts";
import type { Builder } from "../service/builders/index.ts";
import { bake } from "./bake.ts";
import { build } from "./build.ts";
import { type CommandDefinition, globalFlags, type Invocation, type Shell } from "./command.ts";
import { parseFlags } from "./flags.ts";

export interface BuiltToRun extends AsyncDisposable {
  /** Its name in the store. */
  readonly image: string;
  /** The engine that built it, open until this is disposed. */
  readonly engine: Engine;
  /** Forgets the name where nobody chose it; for when a container has the image. */
  forget(): Promise<void>;
}

/** Builds the context or bake target of `--build`; undefined when the build failed, which has been told. */
export async function buildToRun(invocation: Invocation): Promise<BuiltToRun | undefined> {
  const { flags, shell, root } = invocation;
  const what = flags.string("build");
  const chosen = flags.string("tag");
  const image = chosen || `slipway-run:${randomBytes(6).toString("hex")}`;
  const context = isContext(what, shell);
  const words = context
    ? [
        "--report=false",
        "-t",
        image,
        ...valued("file", flags.string("file"), "-f"),
        ...valued("target", flags.string("target")),
        what,
      ]
    : ["--set", `${what}.tags=${image}`, ...valued("file", flags.string("file"), "-f"), what];
  const quiet = flags.bool("quiet") ? ["--progress", "quiet"] : [];
  const platform = flags.string("platform");
  const forPlatform =
    platform === "" ? [] : context ? ["--platform", platform] : ["--set", `${what}.platform=${platform}`];
  const held: Builder[] = [];
  const command: CommandDefinition = context ? build : bake;
  const parsed = parseFlags([...command.flags, ...globalFlags], [...quiet, ...forPlatform, ...words]);
  const inner: Invocation = {
    command,
    flags: parsed.values,
    args: parsed.args,
    shell: keeping(shell, held),
    root,
    debug: invocation.debug,
  };
  const dispose = async (): Promise<void> => {
    for (const builder of held) await builder[Symbol.asyncDispose]();
  };
  try {
    const code = await command.run(inner);
    const builder = held[0];
    if (code !== 0 || builder === undefined) {
      await dispose();
      return undefined;
    }
    const engine = engineOf(builder);
    if (engine === undefined)
      throw new Error("run --build needs the builder in this process: `slipway use embedded`, or build first and push");
    return {
      image,
      engine,
      forget: async () => {
        if (chosen === "") await builder.removeImage(image);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function valued(name: string, value: string, as = `--${name}`): string[] {
  return value === "" ? [] : [as, value];
}

/** A folder, a URL or `-`; anything else is a target of a bake file. */
function isContext(text: string, { cwd }: Shell): boolean {
  const path = resolve(cwd, text);
  if (existsSync(path) && statSync(path).isDirectory()) return true;
  return text === "-" || text.includes("://") || text.startsWith("git@") || text.startsWith("github.com/");
}

/** The shell, but builders stay open for us, and what a build prints does not mix with the container's output. */
function keeping(shell: Shell, held: Builder[]): Shell {
  return Object.create(shell, {
    stdout: { value: shell.stderr },
    openBuilder: {
      value: async (options: Parameters<Shell["openBuilder"]>[0]) => {
        const builder = await shell.openBuilder(options);
        held.push(builder);
        return new Proxy(builder, {
          get: (target, key) => {
            if (key === Symbol.asyncDispose) return () => Promise.resolve();
            const value: unknown = Reflect.get(target, key);
            return typeof value === "function" ? (value.bind(target) as unknown) : value;
          },
        });
      },
    },
  }) as Shell;
}
