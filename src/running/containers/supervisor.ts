// Starting a supervisor: it becomes nobody's child at once and tells, through a pipe, that it is ready to be told to go.

import { existsSync } from "node:fs";
import { Socket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BuildError } from "../../base/index.ts";
import { openPipe, posixSpawn, reap, waitForExit } from "../../system/linux/index.ts";
import { closeSync } from "node:fs";

/** Path of the native program; SLIPWAY_SUPERVISOR names another one. @throws SUPERVISOR_MISSING with the remedy. */
export function supervisorProgram(): string {
  const given = process.env["SLIPWAY_SUPERVISOR"];
  if (given !== undefined && given !== "") return given;
  const here = dirname(fileURLToPath(import.meta.url));
  const places = import.meta.url.endsWith(".ts")
    ? [join(here, "../../../dist/slipway-supervisor")]
    : [join(here, "slipway-supervisor")];
  const found = places.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new BuildError("the supervisor of containers is not there", {
    code: "SUPERVISOR_MISSING",
    status: "FailedPrecondition",
    hint: "it is compiled from native/supervisor: apt-get install -y gcc libc6-dev, then npm run build",
  });
}

/** A supervisor that waits to be told to go; when it is not, it ends as soon as this is disposed. */
export interface Launched extends Disposable {
  readonly pid: number;
}

/**
 * Starts the supervisor of a container's folder, whose start file is written.
 * @throws CONTAINER_START with what it said; CONTAINER_BUSY when another one runs.
 */
export async function launchSupervisor(dir: string): Promise<Launched> {
  const { readEnd, writeEnd } = openPipe();
  let pid: number;
  try {
    pid = posixSpawn({
      argv: [supervisorProgram(), "run", dir],
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
      fds: [null, writeEnd, null],
      leader: "session",
    });
  } catch (error) {
    closeSync(readEnd);
    throw error;
  } finally {
    closeSync(writeEnd);
  }
  const pipe = new Socket({ fd: readEnd, readable: true, writable: false });
  const line = await firstLine(pipe);
  // It has ended long before its child was ready.
  if (reap(pid) === undefined) await waitForExit(pid);
  const ready = /^ready (\d+)$/.exec(line);
  if (ready !== null) return { pid: Number(ready[1]), [Symbol.dispose]: () => void pipe.destroy() };
  pipe.destroy();
  const text = line.replace(/^error /, "") || "it ended at once";
  throw new BuildError(text === "busy" ? "the container is being started or runs already" : text, {
    code: text === "busy" ? "CONTAINER_BUSY" : "CONTAINER_START",
    status: "FailedPrecondition",
    exitCode: 125,
  });
}

function firstLine(pipe: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const done = (): void => resolve(text.split("\n", 1)[0]!);
    pipe.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.includes("\n")) done();
    });
    pipe.on("error", done);
    pipe.on("close", done);
    pipe.on("end", done);
  });
}
