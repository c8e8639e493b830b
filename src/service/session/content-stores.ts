// A client's OCI layouts as content stores of its session: caches in folders, and layouts that builds start from. Blobs are written
// beside and renamed once their digest is checked. Counterpart: containerd plugins/services/content/contentserver; moby/buildkit session/content.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createHash, randomBytes } from "node:crypto";
import type { Hash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hexOf, isDigest } from "../../base/index.ts";
import { content } from "../../formats/proto/index.ts";
import { RpcError, StatusCode } from "../../system/rpc/index.ts";
import type { ServerCall, ServiceImplementation } from "../../system/rpc/index.ts";
import { blobInfo, readBlob } from "./content-reads.ts";

const STORE_ID = "buildkit-attachable-store-id";

/** Serves `containerd.services.content.v1.Content`; `stores` are layout folders by id. */
export function contentService(stores: ReadonlyMap<string, string>): ServiceImplementation<typeof content.Content> {
  const storeOf = (call: ServerCall): string => {
    const id = call.metadata.get(STORE_ID);
    if (id === undefined) throw new RpcError(StatusCode.INVALID_ARGUMENT, `request lacks metadata "${STORE_ID}"`);
    const dir = stores.get(id);
    if (dir === undefined) throw new RpcError(StatusCode.NOT_FOUND, `unknown store ${id}`);
    return dir;
  };
  return {
    async info({ digest }, call) {
      return { info: await infoOf(storeOf(call), digest) };
    },
    async update({ info }, call) {
      // Labels tell a garbage collector what to keep; a layout has none.
      return { info: { ...(await infoOf(storeOf(call), info?.digest ?? "")), labels: info?.labels ?? {} } };
    },
    async *list(_request, call) {
      const dir = storeOf(call);
      const names = await readdir(join(dir, "blobs", "sha256")).catch(() => []);
      for (const name of names.filter((each) => isDigest(`sha256:${each}`))) {
        yield { info: [await infoOf(dir, `sha256:${name}`)] };
      }
    },
    async *read({ digest, offset, size }, call) {
      yield* readBlob(blobPath(storeOf(call), digest), { digest, offset, size });
    },
    write: (requests, call) => writeBlob(storeOf(call), requests),
    status: ({ ref }) => Promise.reject(new RpcError(StatusCode.NOT_FOUND, `ref ${ref}: not found`)),
    listStatuses: () => Promise.resolve({}),
    abort: () => Promise.resolve({}),
  };
}

function blobPath(dir: string, digest: string): string {
  if (!isDigest(digest)) throw new RpcError(StatusCode.INVALID_ARGUMENT, `invalid digest ${JSON.stringify(digest)}`);
  return join(dir, "blobs", "sha256", hexOf(digest));
}

function infoOf(dir: string, digest: string) {
  return blobInfo(blobPath(dir, digest), digest);
}

interface WriteRequest {
  readonly action: content.WriteAction;
  readonly ref: string;
  readonly total: bigint;
  readonly expected: string;
  readonly offset: bigint;
  readonly data: Uint8Array;
}

async function* writeBlob(dir: string, requests: AsyncIterable<WriteRequest>) {
  const startedAt = timestampFromMs(Date.now());
  const folder = join(dir, "blobs", "sha256");
  await mkdir(folder, { recursive: true });
  const beside = join(folder, `.ingest-${randomBytes(8).toString("hex")}`);
  const file = await open(beside, "wx", 0o644);
  let hash: Hash = createHash("sha256");
  let offset = 0;
  let [total, expected] = [0n, ""];
  try {
    for await (const request of requests) {
      if (request.total > 0n) total = request.total;
      if (request.expected !== "") expected = request.expected;
      if (expected !== "" && (await exists(blobPath(dir, expected)))) {
        throw new RpcError(StatusCode.ALREADY_EXISTS, `content ${expected}: already exists`);
      }
      if (request.action !== content.WriteAction.STAT) {
        if (request.offset === 0n && offset > 0 && request.data.byteLength > 0) {
          await file.truncate(0);
          [hash, offset] = [createHash("sha256"), 0];
        } else if (request.offset > 0n && Number(request.offset) !== offset) {
          throw new RpcError(
            StatusCode.OUT_OF_RANGE,
            `write @${request.offset} must occur at current offset ${offset}`,
          );
        }
        if (request.data.byteLength > 0) {
          await file.write(request.data, 0, request.data.byteLength, offset);
          hash.update(request.data);
          offset += request.data.byteLength;
        }
      }
      const digest = `sha256:${hash.copy().digest("hex")}`;
      if (request.action === content.WriteAction.COMMIT) {
        if (total > 0n && Number(total) !== offset) {
          throw new RpcError(StatusCode.FAILED_PRECONDITION, `unexpected commit size ${offset}, expected ${total}`);
        }
        if (expected !== "" && expected !== digest) {
          throw new RpcError(
            StatusCode.FAILED_PRECONDITION,
            `unexpected commit digest ${digest}, expected ${expected}`,
          );
        }
        await rename(beside, blobPath(dir, digest));
      }
      yield {
        action: request.action,
        startedAt,
        updatedAt: timestampFromMs(Date.now()),
        offset: BigInt(offset),
        total,
        digest,
      };
      if (request.action === content.WriteAction.COMMIT) return;
    }
  } finally {
    await file.close();
    await rm(beside, { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
