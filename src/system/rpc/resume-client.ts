// The client's end of a resumable stream: it connects again, and again, until the server has the stream back or too long has passed.

import type { TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../base/index.ts";
import { dialAddress } from "./address.ts";
import type { Address, TlsOptions } from "./address.ts";
import { ResumableStream } from "./resumable.ts";
import type { ResumableOptions } from "./resumable.ts";
import { encodeHello, NEW_STREAM, readAnswer, RESUME_PROTOCOL } from "./resume-hello.ts";
import { RpcError, StatusCode } from "./status.ts";

export interface DialResumableOptions extends ResumableOptions {
  readonly tls: TlsOptions;
  readonly signal?: AbortSignal | undefined;
  /** How long to try before the stream is given up; two minutes by default. */
  readonly giveUpMs?: number;
}

const HELLO_MS = 10_000;
const MAX_DELAY_MS = 5000;

/**
 * A stream that survives its connections where the server can do that, else the plain connection.
 * @throws RpcError UNAVAILABLE when nobody answers.
 */
export async function dialResumable(address: Address, options: DialResumableOptions): Promise<Duplex> {
  const dial = (signal: AbortSignal | undefined) =>
    dialAddress(address, { tls: options.tls, signal, protocols: [RESUME_PROTOCOL, "h2"] }) as Promise<TLSSocket>;
  const first = await dial(options.signal);
  if (first.alpnProtocol !== RESUME_PROTOCOL) return first;
  first.write(encodeHello(NEW_STREAM, 0));
  const { id, rest } = await readAnswer(first, HELLO_MS);
  const stream = new ResumableStream(id, options);
  stream.on("detached", () => void reconnect(stream, dial, options.giveUpMs ?? 120_000));
  stream.attach(first, 0, rest);
  return stream;
}

async function reconnect(
  stream: ResumableStream,
  dial: (signal: AbortSignal) => Promise<TLSSocket>,
  giveUpMs: number,
): Promise<void> {
  const deadline = Date.now() + giveUpMs;
  let cause: unknown;
  for (let delayMs = 100; Date.now() < deadline && !stream.destroyed; delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)) {
    try {
      const socket = await dial(AbortSignal.timeout(HELLO_MS));
      socket.write(encodeHello(stream.id, stream.receivedBytes));
      const { known, received, rest } = await readAnswer(socket, HELLO_MS);
      if (known) return stream.attach(socket, received, rest);
      socket.destroy();
      stream.destroy(lost("the builder was restarted, or the connection was gone for too long"));
      return;
    } catch (error) {
      cause = error;
      await sleep(delayMs);
    }
  }
  stream.destroy(lost(`the connection was lost: ${messageOf(cause)}`, cause));
}

function lost(message: string, cause?: unknown): RpcError {
  return new RpcError(StatusCode.UNAVAILABLE, message, { cause });
}
