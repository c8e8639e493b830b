// How a connection finds its stream. The client says an id (zeros for a new stream) and how many bytes of it have come; the server
// answers whether it knows it, with the id and its own count. Whoever has the id has the stream: it is random, and travels inside TLS only.

import type { Socket } from "node:net";

/** What the two ends agree on in the TLS handshake; others agree on h2. */
export const RESUME_PROTOCOL = "slipway-resume/1";

export const NEW_STREAM: Buffer = Buffer.alloc(16);
const HELLO_BYTES = 24;
const ANSWER_BYTES = 25;

export interface Hello {
  readonly id: Buffer;
  readonly received: number;
  /** What came behind it. */
  readonly rest: Buffer;
}

export function encodeHello(id: Buffer, received: number): Buffer {
  const bytes = Buffer.alloc(HELLO_BYTES);
  id.copy(bytes);
  bytes.writeBigUInt64BE(BigInt(received), 16);
  return bytes;
}

export function encodeAnswer(known: boolean, id: Buffer, received: number): Buffer {
  return Buffer.concat([Buffer.from([known ? 1 : 0]), encodeHello(id, received)]);
}

export async function readHello(socket: Socket, timeoutMs: number): Promise<Hello> {
  const bytes = await readBytes(socket, HELLO_BYTES, timeoutMs);
  return fields(bytes);
}

export async function readAnswer(socket: Socket, timeoutMs: number): Promise<Hello & { readonly known: boolean }> {
  const bytes = await readBytes(socket, ANSWER_BYTES, timeoutMs);
  return { known: bytes[0] === 1, ...fields(bytes.subarray(1)) };
}

function fields(bytes: Buffer): Hello {
  return {
    id: Buffer.from(bytes.subarray(0, 16)),
    received: Number(bytes.readBigUInt64BE(16)),
    rest: bytes.subarray(HELLO_BYTES),
  };
}

/** At least so many bytes. @throws Error when they don't come in time. */
function readBytes(socket: Socket, count: number, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const timer = setTimeout(() => end(new Error("the peer says no hello")), timeoutMs);
    const onData = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= count) end();
    };
    const onClose = () => end(new Error("the connection was closed"));
    const end = (error?: Error) => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.off("error", onClose);
      if (error !== undefined) {
        socket.on("error", () => undefined);
        socket.destroy();
        return reject(error);
      }
      socket.pause();
      resolve(bytes);
    };
    socket.on("data", onData);
    socket.on("close", onClose);
    socket.on("error", onClose);
  });
}
