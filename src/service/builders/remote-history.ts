// Records of a builder elsewhere, over its Control service.

import { BuildError } from "../../base/index.ts";
import { content, control } from "../../formats/proto/index.ts";
import { serviceClient } from "../../system/rpc/index.ts";
import type { BuildkitConnection } from "../client/index.ts";
import type { BuildRecord, BuildRecords } from "./builder.ts";

const MAX_LISTED = 50;
/** Logs are read as a stream; what is read whole is small. */
const MAX_BLOB_BYTES = 64 << 20;

export class RemoteHistory implements BuildRecords {
  readonly #connection: BuildkitConnection;

  constructor(connection: BuildkitConnection) {
    this.#connection = connection;
  }

  async list({
    ref = "",
    filters = [],
  }: {
    readonly ref?: string;
    readonly filters?: readonly string[];
  }): Promise<BuildRecord[]> {
    const found: BuildRecord[] = [];
    const events = this.#connection.control.listenBuildHistory({
      EarlyExit: true,
      Ref: ref,
      Limit: MAX_LISTED,
      Filter: filters.length > 0 ? [filters.join(",")] : [],
    });
    for await (const { record, type } of events) {
      if (record === undefined || type === control.BuildHistoryEventType.DELETED) continue;
      found.push({ record, isRunning: type === control.BuildHistoryEventType.STARTED });
    }
    return found.toSorted((one, two) => createdNs(two) - createdNs(one));
  }

  async logs(ref: string, onStatus: (status: control.StatusResponse) => void, signal: AbortSignal): Promise<void> {
    for await (const status of this.#connection.control.status({ Ref: ref }, { signal })) onStatus(status);
  }

  async blob(digest: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const { data } of serviceClient(content.Content, this.#connection.channel).read({ digest })) {
      size += data.byteLength;
      if (size > MAX_BLOB_BYTES)
        throw new BuildError(`content ${digest} is too large`, { code: "BLOB_TOO_LARGE", status: "ResourceExhausted" });
      chunks.push(data);
    }
    return Buffer.concat(chunks);
  }

  async remove(ref: string): Promise<void> {
    await this.#connection.control.updateBuildHistory({ Ref: ref, Delete: true });
  }
}

function createdNs({ record }: BuildRecord): number {
  return Number(record.CreatedAt?.seconds ?? 0n) * 1e9 + (record.CreatedAt?.nanos ?? 0);
}
