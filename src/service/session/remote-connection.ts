// The daemon's end of a client's session: a gRPC channel to the services that the client offers, asked now and then whether it still
// lives. Counterpart: moby/buildkit session/{manager,grpc}.go.

import { BuildError } from "../../base/index.ts";
import { health } from "../../formats/proto/index.ts";
import { Channel, RpcError, serviceClient, StatusCode, tunnelOver } from "../../system/rpc/index.ts";
import type { Metadata, ServerCall, ServiceClient } from "../../system/rpc/index.ts";
import type { DescService } from "@bufbuild/protobuf";

const HEADER = "x-docker-expose-session-";
const CHECK_EVERY_MS = 5000;
const CHECK_TIMEOUT_MS = 15_000;
const MAX_FAILURES = 2;

export class SessionConnection {
  readonly id: string;
  readonly name: string;
  /** Says that sessions come from the same client and place. */
  readonly sharedKey: string;
  readonly channel: Channel;
  readonly #methods: ReadonlySet<string>;
  readonly #gone = new AbortController();

  constructor(metadata: Metadata, channel: Channel) {
    this.id = metadata.get(`${HEADER}uuid`) ?? "";
    this.name = metadata.get(`${HEADER}name`) ?? "";
    this.sharedKey = metadata.get(`${HEADER}sharedkey`) ?? "";
    this.channel = channel;
    this.#methods = new Set(metadata.getAll(`${HEADER}grpc-method`).map((method) => method.toLowerCase()));
    void channel.closed.then(() => this.#gone.abort(lostSession(this.id)));
  }

  /** Over a call of Control.Session. @throws RpcError INVALID_ARGUMENT where the client does not name its session. */
  static over(call: ServerCall): SessionConnection {
    const id = call.metadata.get(`${HEADER}uuid`) ?? "";
    if (id === "") throw new RpcError(StatusCode.INVALID_ARGUMENT, "a session without an id");
    call.sendHeaders();
    return new SessionConnection(call.metadata, Channel.over(tunnelOver(call)));
  }

  /** Aborted when the client is gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether the client offers "/package.Service/Method". */
  supports(method: string): boolean {
    return this.#methods.has(method.toLowerCase());
  }

  client<S extends DescService>(service: S): ServiceClient<S> {
    return serviceClient(service, this.channel);
  }

  /** Asks the client for signs of life until it is gone; a client that gives none is let go of. */
  async watch(): Promise<void> {
    const { check } = this.client(health.Health);
    let failures = 0;
    while (!this.signal.aborted) {
      await pause(CHECK_EVERY_MS, this.signal);
      if (this.signal.aborted) return;
      try {
        await check({}, { signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
        failures = 0;
      } catch (error) {
        // Who answers that it has no such service lives.
        if (error instanceof RpcError && error.code === StatusCode.UNIMPLEMENTED) continue;
        if (++failures >= MAX_FAILURES) await this.close();
      }
    }
  }

  async close(): Promise<void> {
    await this.channel[Symbol.asyncDispose]();
  }
}

export function lostSession(id: string): BuildError {
  return new BuildError(`the client's session ${id} is gone`, { code: "SESSION_GONE", status: "Unavailable" });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener("abort", done, { once: true });
  });
}
