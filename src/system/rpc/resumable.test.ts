import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { control } from "../../formats/proto/index.ts";
import { Channel, RpcServer, serviceClient, StatusCode } from "./index.ts";
import { makeTestCertificates } from "./test-certificates.ts";
import type { Address } from "./index.ts";

/** Passes connections on, and breaks them without a word. */
class Link {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** New connections are refused. */
  isDown = false;
  connections = 0;

  constructor(port: number) {
    this.#server = createServer((from) => {
      if (this.isDown) return void from.resetAndDestroy();
      this.connections++;
      const to = connect(port, "127.0.0.1");
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one);
        one.on("data", (chunk: Buffer) => other.write(chunk));
        one.on("error", () => undefined);
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function repeat(action: () => void, everyMs: number): Disposable {
  const timer = setInterval(action, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe("a connection over TLS to a server of ours", () => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-resume-"));
  const pem = (name: string) => readFileSync(join(folder, name));
  const server = new RpcServer({ resume: { keepMs: 3000, keepClosedMs: 3000 } });
  let link: Link;
  let address: Address;
  let tls: { ca: Buffer; cert: Buffer; key: Buffer };
  const ended = Promise.withResolvers<unknown>();

  before(async () => {
    makeTestCertificates(folder, "builder");
    tls = { ca: pem("ca.pem"), cert: pem("cert.pem"), key: pem("key.pem") };
    server.addService(control.Control, {
      info: (_request, { peer }) => Promise.resolve({ buildkitVersion: { version: peer.certificateName ?? "" } }),
      async *session(requests) {
        for await (const { data } of requests) yield { data };
      },
    });
    server.addRaw("/wait/Wait", async (call) => {
      call.sendHeaders();
      await new Promise((resolve) => call.signal.addEventListener("abort", resolve, { once: true }));
      ended.resolve(call.signal.reason);
    });
    const listener = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0 }, { tls });
    link = new Link(listener.address.kind === "tcp" ? listener.address.port : 0);
    address = { kind: "tcp", host: "127.0.0.1", port: await link.open() };
  });
  after(async () => {
    await link.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test("calls go on, byte for byte, however often it breaks", async () => {
    await using channel = await Channel.dial(address, { tls });
    const sent = createHash("sha256");
    const received = createHash("sha256");
    let bytes = 0;
    using _cuts = repeat(() => link.cut(), 150);
    const requests = async function* () {
      for (let index = 0; index < 600; index++) {
        const data = randomBytes(1 + Math.floor(Math.random() * 60_000));
        sent.update(data);
        yield { data };
        if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 15));
      }
    };
    for await (const { data } of serviceClient(control.Control, channel).session(requests())) {
      received.update(data);
      bytes += data.length;
    }
    assert.ok(bytes > 0);
    assert.equal(received.digest("hex"), sent.digest("hex"));
    assert.ok(link.connections > 5, `${link.connections} connections`);
    const { buildkitVersion } = await serviceClient(control.Control, channel).info({});
    assert.equal(buildkitVersion?.version, "builder");
  });

  test("a client that does not come back is let go of, and told so when it does", async () => {
    await using channel = await Channel.dial(address, { tls, resume: { giveUpMs: 10_000 } });
    const call = channel.call("/wait/Wait");
    await call.header;
    link.isDown = true;
    link.cut();
    assert.match(String(await ended.promise), /the client left/);
    link.isDown = false;
    await assert.rejects(call.trailers, { code: StatusCode.UNAVAILABLE });
    await channel.closed;
  });

  test("a client without a certificate of the authority is refused", async () => {
    await assert.rejects(
      async () => {
        await using channel = await Channel.dial(address, { tls: { ca: tls.ca } });
        await serviceClient(control.Control, channel).info({});
      },
      (error: Error) => /certificate|closed|lost|hello/i.test(error.message),
    );
    await using channel = await Channel.dial(address, { tls });
    await serviceClient(control.Control, channel).info({});
  });

  test("other clients speak HTTP/2 at once", async () => {
    const { connect: connectTls } = await import("node:tls");
    const socket = connectTls({
      ...tls,
      host: "127.0.0.1",
      port: address.kind === "tcp" ? address.port : 0,
      ALPNProtocols: ["h2"],
    });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    await using channel = Channel.over(socket);
    await serviceClient(control.Control, channel).info({});
  });
});
