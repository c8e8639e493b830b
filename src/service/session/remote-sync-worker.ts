// The thread that reads and writes folders for file sync: any number of transfers at once, each a batch of packets at a time, so that a
// peer that stalls holds up nobody.

import { parentPort } from "node:worker_threads";
import { errnoOf, isBuildError, messageOf } from "../../base/index.ts";
import { FolderReceiver } from "./remote-receiver.ts";
import { FolderSender } from "./remote-sender.ts";
import { packPackets, unpackPackets } from "./remote-sync-messages.ts";
import type { FromSync, ToSync } from "./remote-sync-messages.ts";

interface Sending {
  readonly sender: FolderSender;
  /** Bytes on their way to the peer. */
  pending: number;
}

/** Of one transfer. */
const MAX_PENDING = 4 * 1024 * 1024;
const BATCH = 512 * 1024;

const receiving = new Map<number, FolderReceiver>();
const sending = new Map<number, Sending>();
const reply = (message: FromSync, transfer: ArrayBuffer[] = []): void => parentPort!.postMessage(message, transfer);

parentPort!.on("message", (message: ToSync) => {
  const { id } = message;
  try {
    handle(message);
  } catch (error) {
    drop(id);
    const code = isBuildError(error) ? error.code : (errnoOf(error) ?? "SYNC_FAILED");
    reply({
      kind: "failed",
      id,
      message: messageOf(error),
      code,
      status: isBuildError(error) ? error.status : undefined,
    });
  }
});

function handle(message: ToSync): void {
  const { id } = message;
  switch (message.kind) {
    case "receive":
      receiving.set(id, new FolderReceiver(message.options));
      return;
    case "send":
      sending.set(id, { sender: new FolderSender(message.folder), pending: 0 });
      pump(id);
      return;
    case "packets":
      take(id, message.bytes);
      return;
    case "sent": {
      const transfer = sending.get(id);
      if (transfer !== undefined) transfer.pending -= message.bytes;
      pump(id);
      return;
    }
    case "stop":
      drop(id);
      reply({ kind: "stopped", id });
  }
}

function drop(id: number): void {
  receiving.get(id)?.dispose();
  receiving.delete(id);
  sending.get(id)?.sender.dispose();
  sending.delete(id);
}

function take(id: number, bytes: Uint8Array): void {
  const receiver = receiving.get(id);
  const sender = sending.get(id)?.sender;
  const answers: Uint8Array[] = [];
  if (receiver === undefined) for (const packet of unpackPackets(bytes)) sender?.receive(packet);
  else receiver.receivePiece(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), answers);
  if (sender?.finished === true) answers.push(FolderSender.fin);
  const finished = receiver?.finished ?? sender?.finished ?? false;
  if (finished) drop(id);
  say(id, { taken: bytes.byteLength, finished, version: receiver?.version }, answers);
  if (!finished) pump(id);
}

interface Said {
  /** Bytes of the peer's packets. */
  readonly taken?: number;
  readonly finished?: boolean;
  readonly version?: string | undefined;
}

function say(id: number, { taken = 0, finished = false, version }: Said, packets: readonly Uint8Array[]): void {
  const answers = packPackets(packets);
  reply({ kind: "taken", id, bytes: taken, answers, finished, version }, [answers.buffer]);
}

/** Hands over what there is to send, as long as little is on its way. */
function pump(id: number): void {
  const transfer = sending.get(id);
  if (transfer === undefined) return;
  while (transfer.pending < MAX_PENDING) {
    const packets: Uint8Array[] = [];
    let size = 0;
    while (size < BATCH) {
      const packet = transfer.sender.next();
      if (packet === undefined) break;
      packets.push(packet);
      size += packet.byteLength;
    }
    if (packets.length === 0) return;
    transfer.pending += size;
    say(id, {}, packets);
  }
}
