// File sync with clients: the connection's side. Packets go to a thread in batches, a bounded number of bytes at a time; what it has to
// say goes back to the peer.

import { Worker } from "node:worker_threads";
import { BuildError } from "../../base/index.ts";
import type { Status } from "../../base/index.ts";
import { packPackets, unpackPackets } from "./remote-sync-messages.ts";
import type { FromSync, ToSync } from "./remote-sync-messages.ts";
import { Outbox } from "./remote-sync-outbox.ts";
import { FolderReceiver } from "./remote-receiver.ts";
import type { ReceiverOptions } from "./remote-receiver.ts";

/** A call that carries file sync. */
export interface SyncCall {
  readonly batches: AsyncGenerator<Uint8Array[]>;
  send(message: Uint8Array): void | Promise<void>;
  end(): void;
}

export interface TransferOptions {
  /** Called now and then with the bytes of packets that came. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type ReceiveOptions = ReceiverOptions & TransferOptions;

interface Transfer {
  readonly call: SyncCall;
  /** Whether the folder is sent; else it is received. */
  readonly sends: boolean;
  /** Bytes that the thread has not dealt with yet. */
  pending: number;
  /** What is being sent, one after the other. */
  sending: Promise<void>;
  resume: (() => void) | undefined;
  /** With the version of a folder that was received. */
  readonly done: PromiseWithResolvers<string | undefined>;
  readonly stopped: PromiseWithResolvers<void>;
  ended: boolean;
}

const REFUSED = { code: "SYNC_REFUSED", status: "InvalidArgument" } as const;
const MAX_PENDING = 16 * 1024 * 1024;

/** Owns the thread. Dispose to end it; transfers that run are rejected. */
export class FolderSync implements AsyncDisposable {
  readonly #transfers = new Map<number, Transfer>();
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;

  /**
   * Brings the folder to what the sender has. Resolves once it is whole, with the name of this state of it: as long as that is the same,
   * so are all files in it.
   *
   * @throws SYNC_REFUSED, SYNC_FAILED; what the call ends with; `signal.reason`.
   */
  async receive(call: SyncCall, { onBytes, signal, ...options }: ReceiveOptions): Promise<string> {
    const version = await this.#transfer(call, { kind: "receive", id: this.#nextId++, options }, { onBytes, signal });
    if (version === undefined) throw new BuildError("the client's file sync ended without its list", REFUSED);
    return version;
  }

  /** Sends a folder, which must not change meanwhile. Resolves once the receiver has it. @throws as {@link receive}. */
  async send(call: SyncCall, folder: string, options: TransferOptions = {}): Promise<void> {
    await this.#transfer(call, { kind: "send", id: this.#nextId++, folder }, options);
  }

  async #transfer(
    call: SyncCall,
    start: Extract<ToSync, { kind: "receive" | "send" }>,
    { onBytes, signal }: TransferOptions,
  ): Promise<string | undefined> {
    signal?.throwIfAborted();
    const { id } = start;
    const transfer: Transfer = {
      call,
      sends: start.kind === "send",
      pending: 0,
      sending: Promise.resolve(),
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
      this.#post(start);
      const pumping = this.#pump(id, transfer, onBytes);
      pumping.catch((error: unknown) => transfer.done.reject(error));
      const version = await transfer.done.promise;
      await transfer.sending;
      call.end();
      await pumping;
      return version;
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
    const outbox = new Outbox((packets) => {
      if (transfer.ended) return;
      const bytes = packPackets(packets);
      transfer.pending += bytes.length;
      this.#post({ kind: "packets", id, bytes }, [bytes.buffer]);
    });
    try {
      for await (const batch of transfer.call.batches) {
        for (const packet of batch) total += packet.length;
        if (onBytes !== undefined && Date.now() - toldAt > 100) {
          toldAt = Date.now();
          onBytes(total);
        }
        outbox.add(batch);
        if (transfer.pending > MAX_PENDING) await new Promise<void>((resolve) => (transfer.resume = resolve));
      }
      outbox.flush();
    } finally {
      outbox.close();
    }
    onBytes?.(total);
    if (!transfer.ended) {
      // What came last may still be in the thread's hands.
      while (transfer.pending > 0 && !transfer.ended) await new Promise<void>((resolve) => (transfer.resume = resolve));
      if (!transfer.ended)
        throw new BuildError("the client ended its file sync early", { code: "SYNC_FAILED", status: "Unavailable" });
    }
  }

  #say(id: number, transfer: Transfer, packets: Uint8Array): void {
    if (packets.byteLength === 0) return;
    const send = async () => {
      let size = 0;
      for (const packet of unpackPackets(packets)) {
        size += packet.byteLength;
        const sent = transfer.call.send(packet);
        if (sent !== undefined) await sent;
      }
      if (transfer.sends && !transfer.ended) this.#post({ kind: "sent", id, bytes: size });
    };
    transfer.sending = transfer.sending.then(send);
    transfer.sending.catch((error: unknown) => transfer.done.reject(error));
  }

  #post(message: ToSync, transfer: ArrayBuffer[] = []): void {
    if (this.#closed) throw new Error("file sync is closed");
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(message, transfer);
  }

  #start(): Worker {
    const worker = new Worker(workerEntry(), { execArgv: [] });
    worker.on("message", (message: FromSync) => this.#take(message));
    worker.on("error", () => undefined);
    worker.on("exit", () => {
      this.#worker = undefined;
      const error = new BuildError("the thread that reads and writes folders ended", {
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

  #take(message: FromSync): void {
    const transfer = this.#transfers.get(message.id);
    if (transfer === undefined) return;
    switch (message.kind) {
      case "taken":
        transfer.pending -= message.bytes;
        this.#say(message.id, transfer, message.answers);
        if (message.finished) {
          transfer.ended = true;
          transfer.done.resolve(message.version);
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
    ? new URL("./remote-sync-worker.ts", import.meta.url)
    : new URL("./sync.js", import.meta.url);
}
