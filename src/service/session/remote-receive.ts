// Receives folders into the machine's files: the connection's side. Packets go to a thread in batches, a bounded number of bytes at a
// time; its answers go back to the sender.

import { Worker } from "node:worker_threads";
import { BuildError } from "../../base/index.ts";
import type { Status } from "../../base/index.ts";
import type { FromReceiver, ToReceiver } from "./remote-receive-messages.ts";
import { FolderReceiver } from "./remote-receiver.ts";
import type { ReceiverOptions } from "./remote-receiver.ts";

/** A call of a session's file sync, as the receiver sees it. */
export interface SyncCall {
  readonly batches: AsyncGenerator<Uint8Array[]>;
  send(message: Uint8Array): void | Promise<void>;
  end(): void;
}

export interface ReceiveOptions extends ReceiverOptions {
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Transfer {
  readonly call: SyncCall;
  /** Bytes that the thread has not dealt with yet. */
  pending: number;
  resume: (() => void) | undefined;
  readonly done: PromiseWithResolvers<void>;
  readonly stopped: PromiseWithResolvers<void>;
  ended: boolean;
}

const MAX_PENDING = 16 * 1024 * 1024;

/** Owns the thread. Dispose to end it; transfers that run are rejected. */
export class FolderReceivers implements AsyncDisposable {
  readonly #transfers = new Map<number, Transfer>();
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;

  /**
   * Brings the folder to what the sender has. Resolves once it is whole.
   *
   * @throws SYNC_REFUSED, SYNC_FAILED; what the call ends with; `signal.reason`.
   */
  async receive(call: SyncCall, { onBytes, signal, ...options }: ReceiveOptions): Promise<void> {
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const transfer: Transfer = {
      call,
      pending: 0,
      resume: undefined,
      done: Promise.withResolvers(),
      stopped: Promise.withResolvers(),
      ended: false,
    };
    this.#transfers.set(id, transfer);
    transfer.done.promise.catch(() => undefined);
    const onAbort = () => transfer.done.reject(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      this.#post({ kind: "start", id, options: { ...options } });
      const pumping = this.#pump(id, transfer, onBytes);
      pumping.catch((error: unknown) => transfer.done.reject(error));
      await transfer.done.promise;
      call.end();
      await pumping;
    } catch (error) {
      if (!signal?.aborted) await tell(call, error);
      await call.batches.return(undefined).catch(() => undefined);
      if (!transfer.ended) {
        // The folder is nobody else's before the thread has let go of it.
        this.#post({ kind: "stop", id });
        await transfer.stopped.promise;
      }
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#transfers.delete(id);
      if (this.#transfers.size === 0) this.#worker?.unref();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  async #pump(id: number, transfer: Transfer, onBytes: ((bytes: number) => void) | undefined): Promise<void> {
    let total = 0;
    let toldAt = 0;
    for await (const batch of transfer.call.batches) {
      const bytes = joined(batch);
      total += bytes.length - 4 * batch.length;
      if (onBytes !== undefined && Date.now() - toldAt > 100) {
        toldAt = Date.now();
        onBytes(total);
      }
      if (transfer.ended) continue;
      transfer.pending += bytes.length;
      this.#post({ kind: "packets", id, bytes }, [bytes.buffer as ArrayBuffer]);
      if (transfer.pending > MAX_PENDING) await new Promise<void>((resolve) => (transfer.resume = resolve));
    }
    onBytes?.(total);
    if (!transfer.ended) {
      // What came last may still be in the thread's hands.
      while (transfer.pending > 0 && !transfer.ended) await new Promise<void>((resolve) => (transfer.resume = resolve));
      if (!transfer.ended)
        throw new BuildError("the client ended its file sync early", { code: "SYNC_FAILED", status: "Unavailable" });
    }
  }

  #post(message: ToReceiver, transfer: ArrayBuffer[] = []): void {
    if (this.#closed) throw new Error("the receivers are closed");
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(message, transfer);
  }

  #start(): Worker {
    const worker = new Worker(workerEntry(), { execArgv: [] });
    worker.on("message", (message: FromReceiver) => this.#take(message));
    worker.on("error", () => undefined);
    worker.on("exit", () => {
      this.#worker = undefined;
      const error = new BuildError("the thread that receives folders ended", {
        code: "WORKER_CRASHED",
        status: "Internal",
      });
      for (const transfer of this.#transfers.values()) {
        transfer.ended = true;
        transfer.done.reject(error);
        transfer.stopped.resolve();
        transfer.resume?.();
      }
    });
    return worker;
  }

  #take(message: FromReceiver): void {
    const transfer = this.#transfers.get(message.id);
    if (transfer === undefined) return;
    switch (message.kind) {
      case "taken":
        transfer.pending -= message.bytes;
        try {
          for (const answer of message.answers) void transfer.call.send(answer);
        } catch (error) {
          transfer.done.reject(error);
        }
        if (message.finished) {
          transfer.ended = true;
          transfer.done.resolve();
        }
        break;
      case "stopped":
        transfer.ended = true;
        transfer.stopped.resolve();
        break;
      case "failed":
        transfer.ended = true;
        transfer.stopped.resolve();
        transfer.done.reject(
          new BuildError(message.message, {
            code: message.code,
            ...(message.status === undefined ? {} : { status: message.status as Status }),
          }),
        );
    }
    const { resume } = transfer;
    transfer.resume = undefined;
    resume?.();
  }
}

function joined(batch: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  let size = 0;
  for (const message of batch) size += 4 + message.byteLength;
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const message of batch) {
    bytes.writeUInt32LE(message.byteLength, at);
    bytes.set(message, at + 4);
    at += 4 + message.byteLength;
  }
  return bytes;
}

async function tell(call: SyncCall, error: unknown): Promise<void> {
  try {
    await call.send(FolderReceiver.failure(error));
  } catch {
    // The call is over: nobody is there to be told.
  }
}

/** The worker's entry: beside the bundle where there is one, else the source. */
function workerEntry(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("./remote-receive-worker.ts", import.meta.url)
    : new URL("./receiver.js", import.meta.url);
}
