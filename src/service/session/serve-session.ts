// A session from the client's side: what a builder elsewhere may ask of this machine, and nothing else. Folders, secrets, agents and
// outputs are those of a SessionPort, so that a build asks for the same things wherever it runs.
// Counterpart: moby/buildkit session/, as docker/buildx attaches it.

import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { randomBytes } from "node:crypto";
import type { Credentials } from "../../distribution/index.ts";
import type { OutputTarget, SessionPort } from "../../engine/index.ts";
import { auth, content, filesync, health, secrets, sshforward, upload } from "../../formats/proto/index.ts";
import {
  decodeBytesMessage,
  encodeBytesMessage,
  Metadata,
  RpcError,
  RpcServer,
  StatusCode,
  tunnelOver,
} from "../../system/rpc/index.ts";
import type { ServerCall } from "../../system/rpc/index.ts";
import { contentService } from "./content-stores.ts";
import { receiveFiles } from "./receive-files.ts";
import { authService } from "./registry-auth.ts";
import { sendFiles } from "./send-files.ts";

export interface ServeSessionOptions {
  readonly credentials: Credentials;
  /** OCI layouts by store id: `local:DIR` for caches, `oci:ID` for named contexts. */
  readonly stores: ReadonlyMap<string, string>;
  /** Whether an output that is a folder is to lose what is not in the result. */
  readonly deletesOthers: (index: number) => boolean;
  /** Where an output goes that the port gives to an image loader: a stream that takes the archive. */
  readonly openLoad: (index: number) => NodeJS.WritableStream;
}

export interface SessionServer {
  /** The caller connects it and closes it. */
  readonly server: RpcServer;
  /** Resolves when the outputs that came are where they belong: builders don't wait for that. @throws the first that failed. */
  readonly outputs: () => Promise<void>;
}

/** Serves what `session` gives; nothing else of this machine can be asked for. */
export function sessionServer(session: SessionPort, options: ServeSessionOptions): SessionServer {
  const server = new RpcServer();
  const outputs: Promise<void>[] = [];
  server.addService(health.Health, {
    check: () => Promise.resolve({ status: health.HealthCheckResponse_ServingStatus.SERVING }),
  });
  server.addRaw(`/${filesync.FileSync.typeName}/DiffCopy`, (call) => syncFolder(session, call));
  server.addRaw(`/${filesync.FileSend.typeName}/DiffCopy`, (call) => {
    const output = receiveOutput(session, options, call);
    outputs.push(output);
    return output;
  });
  server.addService(auth.Auth, authService(options.credentials));
  server.addService(secrets.Secrets, {
    async getSecret({ ID }, { signal }) {
      const data = await session.secret(ID, signal);
      if (data === undefined) throw new RpcError(StatusCode.NOT_FOUND, `secret ${ID}: not found`);
      return { data };
    },
  });
  server.addService(sshforward.SSH, {
    async checkAgent({ ID }) {
      if ((await session.sshAgent(ID)) === undefined) throw unsetAgent(ID);
      return {};
    },
  });
  server.addRaw(`/${sshforward.SSH.typeName}/ForwardAgent`, (call) => forwardAgent(session, call));
  server.addRaw(`/${upload.Upload.typeName}/Pull`, (call) => sendUpload(session, call));
  if (options.stores.size > 0) server.addService(content.Content, contentService(options.stores));
  return {
    server,
    outputs: async () => {
      await Promise.all(outputs);
    },
  };
}

/** What the builder is told when the session is offered: its id, and the methods that it serves. */
export function sessionMetadata(server: RpcServer, { id, sharedKey }: { id: string; sharedKey: string }): Metadata {
  return new Metadata({
    "x-docker-expose-session-uuid": id,
    "x-docker-expose-session-name": "",
    "x-docker-expose-session-sharedkey": sharedKey,
    "x-docker-expose-session-grpc-method": server.methods,
  });
}

async function syncFolder(session: SessionPort, call: ServerCall): Promise<void> {
  const name = call.metadata.get("dir-name") ?? "";
  const folder = await session.localDir(name, { signal: call.signal });
  if (folder === undefined)
    throw new RpcError(StatusCode.NOT_FOUND, `no access allowed to dir ${JSON.stringify(name)}`);
  try {
    const followPaths = patterns(call.metadata, "followpaths");
    await sendFiles(call, folder.path, {
      filter: {
        includePatterns: patterns(call.metadata, "include-patterns"),
        excludePatterns: patterns(call.metadata, "exclude-patterns"),
        ...(followPaths.length > 0 ? { followPaths } : {}),
      },
      asRoot: true,
      signal: call.signal,
    });
  } finally {
    folder.release?.();
  }
}

/** Header values; those with other than ASCII characters come encoded. */
function patterns(metadata: Metadata, name: string): readonly string[] {
  const values = metadata.getAll(name);
  if (!["1", "true"].includes(metadata.get(`${name}-encoded`) ?? "")) return values;
  return values.map((value) => decodeURIComponent(value.replaceAll("+", " ")));
}

async function receiveOutput(session: SessionPort, options: ServeSessionOptions, call: ServerCall): Promise<void> {
  const index = Number(call.metadata.get("buildkit-attachable-exporter-id") ?? "0") || 0;
  const target = session.output(index);
  if (target === undefined) throw new RpcError(StatusCode.NOT_FOUND, `exporter ${index} not found`);
  if (target.kind === "directory") {
    const deleteOthers = options.deletesOthers(index);
    return receiveFiles(call, { target: target.path, deleteOthers, signal: call.signal });
  }
  if (target.kind === "file") return receiveFile(call, target);
  const stream = target.kind === "stream" ? target.stream : options.openLoad(index);
  for await (const chunk of dataOf(call)) if (!stream.write(chunk)) await once(stream, "drain");
  if (target.kind === "loader") stream.end();
}

async function receiveFile(call: ServerCall, { path }: Extract<OutputTarget, { kind: "file" }>): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}.tmp`);
  try {
    await pipeline(dataOf(call), createWriteStream(beside, { mode: 0o644 }));
    call.signal.throwIfAborted();
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function* dataOf(call: ServerCall): AsyncGenerator<Uint8Array> {
  for await (const batch of call.batches) for (const message of batch) yield decodeBytesMessage(message);
}

async function forwardAgent(session: SessionPort, call: ServerCall): Promise<void> {
  const id = call.metadata.get("buildkit.ssh.id") ?? "";
  const path = await session.sshAgent(id);
  if (path === undefined) throw unsetAgent(id);
  const agent = connect(path);
  call.sendHeaders();
  const tunnel = tunnelOver(call);
  await Promise.allSettled([pipeline(tunnel, agent), pipeline(agent, tunnel)]);
}

function unsetAgent(id: string): RpcError {
  return new RpcError(StatusCode.NOT_FOUND, `unset ssh forward key ${id === "" ? "default" : id}`);
}

async function sendUpload(session: SessionPort, call: ServerCall): Promise<void> {
  const id = basename(call.metadata.get("urlpath") ?? "");
  const bytes = session.upload?.(id);
  if (bytes === undefined) throw new RpcError(StatusCode.NOT_FOUND, `no http response from session for ${id}`);
  for await (const chunk of bytes) await call.send(encodeBytesMessage(chunk));
}
