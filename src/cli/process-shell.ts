// The real process behind the shell port: its streams, environment, signals, and how it ends.

import { readdirSync, readFileSync } from "node:fs";
import type { BuilderOptions, Shell } from "./command.ts";
import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { Builder } from "../service/builders/index.ts";

/** The shell of this process. A reader that went away (`| head`) ends writing quietly. */
export function processShell(): Shell {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  return {
    // A getter: merely looking at stdin opens it.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    openBuilder,
    openLoader: async ({ context, into, ...place }) => {
      const { openDockerLoader, openImportLoader } = await import("../service/docker/index.ts");
      return into === undefined ? await openDockerLoader(process.env, context) : openImportLoader(into, place);
    },
    openProjects: async (place) => (await import("../running/projects/index.ts")).openMachine(place),
    onSignals(onInterrupt) {
      const onInt = () => onInterrupt("SIGINT");
      const onTerm = () => onInterrupt("SIGTERM");
      process.on("SIGINT", onInt);
      process.on("SIGTERM", onTerm);
      return {
        [Symbol.dispose]() {
          process.removeListener("SIGINT", onInt);
          process.removeListener("SIGTERM", onTerm);
        },
      };
    },
    exitNow(code) {
      killDescendants(process.pid);
      process.exit(code);
    },
  };
}

// Loaded only here: help and usage errors must not wait for the engine.
async function openBuilder(options: BuilderOptions): Promise<Builder> {
  const config = new BuilderConfigs(process.env).selected(options.builder ?? "embedded");
  if (config !== undefined) {
    const { openConfiguredBuilder } = await import("../service/builders/index.ts");
    return await openConfiguredBuilder(config, process.env);
  }
  const { openEmbeddedBuilder } = await import("../service/builders/index.ts");
  return await openEmbeddedBuilder({ ...options, endsWithProcess: true });
}

/** Kills every process below `pid`, deepest last so that parents can't start new ones. */
function killDescendants(pid: number): void {
  for (const child of childrenOf(pid)) {
    try {
      process.kill(child, "SIGSTOP");
    } catch {
      continue; // it ended by itself
    }
    killDescendants(child);
    try {
      process.kill(child, "SIGKILL");
    } catch {
      // likewise
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
