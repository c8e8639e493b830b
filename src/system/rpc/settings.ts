// HTTP/2 settings of both ends, each measured: with the default windows of 64 KiB a context takes twice as long.

import type { ClientHttp2Session, ServerHttp2Session, SessionOptions } from "node:http2";

const MIB = 1 << 20;

/** What one message may hold; containerd's and BuildKit's limit. */
export const DEFAULT_MAX_MESSAGE_BYTES = 16 * MIB;

const SETTINGS = {
  initialWindowSize: 16 * MIB,
  maxFrameSize: MIB,
  maxHeaderListSize: 4 * MIB,
  maxConcurrentStreams: 100_000,
};

/** File sync sends a header line a pattern: hundreds of them must pass. */
const LIMITS = { maxHeaderListPairs: 65_536, maxSendHeaderBlockLength: 16 * MIB, maxSessionMemory: 1024 };

export const SESSION_OPTIONS: SessionOptions = { settings: { ...SETTINGS, enablePush: false }, ...LIMITS };

/** A server may say nothing of push. */
export const SERVER_SESSION_OPTIONS: SessionOptions = { settings: SETTINGS, ...LIMITS };

/** Widens the connection's window. */
export function widen(session: ClientHttp2Session | ServerHttp2Session): void {
  if (!session.destroyed) session.setLocalWindowSize(64 * MIB);
}

/** Pings, and destroys a session whose peer does not answer in time. Ends with the session. */
export function keepAlive(
  session: ClientHttp2Session | ServerHttp2Session,
  options: { readonly intervalMs: number; readonly timeoutMs: number },
): void {
  const timer = setInterval(() => {
    const deadline = setTimeout(
      () => session.destroy(new Error("keepalive: no answer from the peer")),
      options.timeoutMs,
    );
    deadline.unref();
    try {
      session.ping(() => clearTimeout(deadline));
    } catch {
      clearTimeout(deadline); // it is closing
    }
  }, options.intervalMs);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}
