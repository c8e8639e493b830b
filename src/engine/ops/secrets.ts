// Secrets and agents as files in a step. Secret bytes live in a tmpfs of this process's mount namespace only, never on a disk, and
// are gone when the step ends. Counterpart: moby/buildkit solver/llbsolver/mounts/mount.go.

import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import { mount, MS, unmount } from "../../system/linux/index.ts";
import type { SessionPort } from "../ports/index.ts";

/** A file or socket made for a step. */
export interface ProvidedFile extends AsyncDisposable {
  readonly path: string;
}

/** The secret as a file, or undefined where an optional one is missing. @throws SECRET_MISSING. */
export async function provideSecret(
  session: SessionPort,
  option: pb.SecretOpt,
  runDir: string,
  signal: AbortSignal,
): Promise<ProvidedFile | undefined> {
  const bytes = await session.secret(option.ID, signal);
  if (bytes === undefined) {
    if (option.optional) return undefined;
    throw missingSecret(option.ID);
  }
  const dir = makeDir(runDir, "secret");
  mount("tmpfs", dir, "tmpfs", MS.NODEV | MS.NOSUID | MS.NOEXEC, "mode=0700,size=1m");
  const path = join(dir, "file");
  const provided = {
    path,
    [Symbol.asyncDispose]: () => {
      unmount(dir);
      rmSync(dir, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
  try {
    writeFileSync(path, bytes, { mode: 0o600 });
    chownSync(path, option.uid, option.gid);
    chmodSync(path, option.mode & 0o777);
    return provided;
  } catch (error) {
    await provided[Symbol.asyncDispose]();
    throw error;
  }
}

export function missingSecret(id: string): BuildError {
  return new BuildError(`secret ${id}: not found`, {
    code: "SECRET_MISSING",
    status: "NotFound",
    hint: `pass it with --secret id=${id},src=FILE or --secret id=${id},env=NAME`,
  });
}

/** A socket that leads to the client's agent, with the owner and mode that the step asked for. @throws SSH_MISSING. */
export async function provideAgent(
  session: SessionPort,
  option: pb.SSHOpt,
  runDir: string,
): Promise<ProvidedFile | undefined> {
  const id = option.ID === "" ? "default" : option.ID;
  const agent = await session.sshAgent(id);
  if (agent === undefined) {
    if (option.optional) return undefined;
    throw new BuildError(`unset ssh forward key ${id}`, {
      code: "SSH_MISSING",
      status: "NotFound",
      hint: `forward an agent with --ssh ${id} (SSH_AUTH_SOCK must be set) or --ssh ${id}=PATH`,
    });
  }
  const dir = makeDir(runDir, "agent");
  const path = join(dir, "agent.sock");
  const sockets = new Set<Socket>();
  const server = createServer((client) => join2(client, connect(agent), sockets));
  await listen(server, path);
  chownSync(path, option.uid, option.gid);
  chmodSync(path, option.mode & 0o777);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function join2(one: Socket, other: Socket, sockets: Set<Socket>): void {
  for (const socket of [one, other]) {
    sockets.add(socket);
    socket.on("error", () => {
      one.destroy();
      other.destroy();
    });
    socket.on("close", () => sockets.delete(socket));
  }
  one.pipe(other);
  other.pipe(one);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

let count = 0;

function makeDir(runDir: string, what: string): string {
  const dir = join(runDir, `${what}-${++count}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}
