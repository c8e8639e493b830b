// The thread that writes received folders: any number of transfers at once, each a batch of packets at a time, so that a sender that
// stalls holds up nobody.

import { parentPort } from "node:worker_threads";
import { errnoOf, isBuildError, messageOf } from "../../base/index.ts";
import { FolderReceiver } from "./remote-receiver.ts";
import type { FromReceiver, ToReceiver } from "./remote-receive-messages.ts";

const receivers = new Map<number, FolderReceiver>();
const reply = (message: FromReceiver): void => parentPort!.postMessage(message);

parentPort!.on("message", (message: ToReceiver) => {
  const { id } = message;
  try {
    switch (message.kind) {
      case "start":
        receivers.set(id, new FolderReceiver(message.options));
        return;
      case "packets":
        take(id, Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength));
        return;
      case "stop":
        receivers.get(id)?.dispose();
        receivers.delete(id);
        reply({ kind: "stopped", id });
    }
  } catch (error) {
    receivers.get(id)?.dispose();
    receivers.delete(id);
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

function take(id: number, bytes: Buffer): void {
  const receiver = receivers.get(id);
  if (receiver === undefined) return;
  const answers: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at);
    receiver.receive(bytes.subarray(at + 4, at + 4 + size), answers);
    at += 4 + size;
  }
  const { finished } = receiver;
  if (finished) {
    receivers.delete(id);
    receiver.dispose();
  }
  reply({ kind: "taken", id, bytes: bytes.length, answers, finished });
}
