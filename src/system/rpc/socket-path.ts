// A unix socket's path: a socket that a dead process left is replaced, one that somebody answers on is not.

import { chownSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";

/** Listens at `path`, whose folder is made if it is missing. @throws ADDRESS_IN_USE. */
export async function claimSocketPath(
  server: Server,
  path: string,
  options: { readonly mode?: number; readonly gid?: number | undefined },
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  await removeStale(path);
  const listening = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
  });
  // The socket must never have been open to others, so the mask is set while it is made; node makes it within this call.
  const mask = process.umask(0o777 & ~(options.mode ?? 0o600));
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
  await listening;
  if (options.gid !== undefined) chownSync(path, -1, options.gid);
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!lstatSync(path).isSocket()) throw inUse(path, "a file that is no socket is there");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => resolve(true));
    probe.once("error", () => resolve(false));
    probe.once("close", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
  if (answered) throw inUse(path, "another process listens there");
  rmSync(path, { force: true });
}

function inUse(path: string, why: string): BuildError {
  return new BuildError(`can't listen on unix://${path}: ${why}`, {
    code: "ADDRESS_IN_USE",
    status: "FailedPrecondition",
    hint: "choose another --addr, or stop what uses this one",
  });
}
