// What the transport makes of servers, proxies and connections that behave and misbehave; each real, on loopback.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer as createPort } from "node:net";
import type { AddressInfo, Server as PortServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { BuildError } from "../base/index.ts";
import { makeTestCertificates } from "../system/rpc/test-certificates.ts";
import { readBody, Transport } from "./transport.ts";
import type { TransportOptions } from "./transport.ts";

interface Listening {
  readonly port: number;
  readonly url: (path?: string) => URL;
  /** Connections there were, in order. */
  readonly sockets: Socket[];
}

async function listen(t: TestContext, server: Server | PortServer, scheme = "http"): Promise<Listening> {
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { port, sockets, url: (path = "/") => new URL(path, `${scheme}://127.0.0.1:${port}`) };
}

async function allClosed({ sockets }: Listening): Promise<void> {
  for (const socket of sockets) if (!socket.closed) await new Promise((resolve) => socket.on("close", resolve));
}

const serve = (t: TestContext, listener: RequestListener) => listen(t, createServer(listener));

/** A server that says bytes, whatever it is asked, and does with the connection what the test wants. */
const raw = (t: TestContext, onRequest: (socket: Socket, count: number) => void) => {
  let count = 0;
  return listen(
    t,
    createPort((socket) => socket.on("data", () => onRequest(socket, ++count))),
  );
};

function transport(t: TestContext, options: TransportOptions = {}): Transport {
  const made = new Transport({ retry: { attempts: 2, delayMs: () => 0 }, ...options });
  t.after(() => made[Symbol.asyncDispose]());
  return made;
}

async function text(sender: Transport, url: URL): Promise<string> {
  const response = await sender.send({ method: "GET", url });
  return Buffer.from(await readBody(response, 1 << 20)).toString();
}

/** Variables of the environment for one test. */
function environment(t: TestContext, values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = process.env[name];
    process.env[name] = value;
    t.after(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
}

test("one connection serves requests one after another, unwanted bodies and headers of many values too", async (t) => {
  const server = await serve(t, (request, response) => {
    response.setHeader("www-authenticate", ["Basic", "Bearer"]);
    const body = request.url === "/short" ? "s".repeat(1000) : (request.headers["user-agent"] ?? "");
    response.setHeader("content-length", body.length);
    response.end(body);
  });
  const sender = transport(t);
  assert.equal(await text(sender, server.url()), "slipway");
  const short = await sender.send({ method: "GET", url: server.url("/short") });
  assert.deepEqual(short.headers["www-authenticate"], ["Basic", "Bearer"]);
  assert.equal(short.headers["content-length"], "1000");
  await short.discard();
  const head = await sender.send({ method: "HEAD", url: server.url("/short") });
  await head.discard();
  assert.equal(await text(sender, server.url()), "slipway");
  assert.equal(server.sockets.length, 1);
});

test("a long body that nobody wants is cut off", async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === "/long") response.setHeader("content-length", String(100 << 20));
    const more = () => response.destroyed || !response.write(Buffer.alloc(65536)) || setImmediate(more);
    response.on("drain", more);
    more();
  });
  const sender = transport(t);
  for (const path of ["/long", "/endless"]) {
    const response = await sender.send({ method: "GET", url: server.url(path) });
    await response.discard();
    await response.discard();
  }
  // Who stops reading gives the connection up as well.
  const response = await sender.send({ method: "GET", url: server.url("/endless") });
  for await (const chunk of response.body) if (chunk.byteLength > 0) break;
  await allClosed(server);
  assert.equal(server.sockets.length, 3);
});

test("at most 16 connections go to a host", async (t) => {
  let now = 0;
  let most = 0;
  const server = await serve(t, (_request, response) => {
    most = Math.max(most, ++now);
    setTimeout(() => {
      now--;
      response.end();
    }, 20);
  });
  const sender = transport(t);
  await Promise.all(Array.from({ length: 40 }, () => text(sender, server.url())));
  assert.equal(most, 16);
  assert.equal(server.sockets.length, 16);
});

test("a kept connection that the server closes is replaced at once; a request that goes once is told", async (t) => {
  const server = await raw(t, (socket, count) => {
    // Every second request finds the connection closed, as when both sides act at the same moment.
    if (count % 2 === 0) socket.resetAndDestroy();
    else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  });
  const sender = transport(t, { retry: { attempts: 1 } });
  assert.equal(await text(sender, server.url()), "ok");
  assert.equal(await text(sender, server.url()), "ok");
  assert.equal(server.sockets.length, 2);
  await assert.rejects(sender.send({ method: "GET", url: server.url(), once: true }), { code: "ECONNRESET" });
});

test("a connection that the server closed while it was idle is not used again", async (t) => {
  const server = await serve(t, (_request, response) => response.end("ok"));
  const sender = transport(t, { retry: { attempts: 1 } });
  assert.equal(await text(sender, server.url()), "ok");
  const closed = new Promise((resolve) => server.sockets[0]!.on("close", resolve));
  server.sockets[0]!.end();
  await closed;
  assert.equal(await text(sender, server.url()), "ok");
  assert.equal(server.sockets.length, 2);
});

test("a body that is cut short is an error, however it was announced", async (t) => {
  for (const head of ["content-length: 100\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"]) {
    for (const end of ["end", "resetAndDestroy"] as const) {
      const server = await raw(t, (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}`);
        setTimeout(() => socket[end](), 20);
      });
      await assert.rejects(text(transport(t), server.url()), { code: "ECONNRESET" });
    }
  }
});

test("a connection that closes without an answer is an error with words", async (t) => {
  const server = await raw(t, (socket) => socket.end());
  await assert.rejects(transport(t).send({ method: "GET", url: server.url() }), {
    code: "REGISTRY_UNREACHABLE",
    message: `registry 127.0.0.1:${server.port} can't be reached: other side closed`,
  });
  assert.equal(server.sockets.length, 2);
});

test("silence breaks a connection: before the answer, and in its body while somebody reads", async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === "/body") response.write("begun");
  });
  const sender = transport(t, { idleTimeoutMs: 100 });
  await assert.rejects(sender.send({ method: "GET", url: server.url("/headers") }), {
    code: "REGISTRY_UNREACHABLE",
    message: `registry 127.0.0.1:${server.port} can't be reached: no answer in time`,
  });
  await assert.rejects(text(sender, server.url("/body")), { code: "HTTP_BODY_TIMEOUT" });
});

test("a reader that takes its time breaks nothing", async (t) => {
  const whole = Buffer.alloc(8 << 20, "x");
  const server = await serve(t, (_request, response) => response.end(whole));
  const response = await transport(t, { idleTimeoutMs: 50 }).send({ method: "GET", url: server.url() });
  let size = 0;
  for await (const chunk of response.body) {
    if (size === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    size += chunk.byteLength;
  }
  assert.equal(size, whole.byteLength);
});

test("an abort ends a request before its answer, in its queue, and in the middle of its body", async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === "/body") response.write("begun");
  });
  const sender = transport(t);
  const reason = new Error("enough");
  const waiting = new AbortController();
  const all = Array.from({ length: 20 }, () => sender.send({ method: "GET", url: server.url() }, waiting.signal));
  setTimeout(() => waiting.abort(reason), 30);
  for (const outcome of await Promise.allSettled(all)) assert.deepEqual(outcome, { status: "rejected", reason });

  const reading = new AbortController();
  const response = await sender.send({ method: "GET", url: server.url("/body") }, reading.signal);
  await assert.rejects(
    async () => {
      for await (const chunk of response.body) {
        assert.equal(Buffer.from(chunk).toString(), "begun");
        setTimeout(() => reading.abort(reason), 10);
      }
    },
    (error) => error === reason,
  );
  await assert.rejects(sender.send({ method: "GET", url: server.url() }, reading.signal), (error) => error === reason);
});

test("bodies: texts, bytes and streams, their length announced where it is known", async (t) => {
  const server = await serve(t, (request, response) => {
    const length = request.headers["content-length"] ?? request.headers["transfer-encoding"];
    let size = 0;
    request.on("data", (chunk: Buffer) => void (size += chunk.length));
    request.on("end", () => response.end(`${request.method} ${length} ${size}`));
  });
  const sender = transport(t);
  const bytes = Buffer.alloc(3 << 20, "y");
  const stream = () => Readable.from([bytes, bytes], { objectMode: false });
  const headers = { "content-length": String(6 << 20) };
  const cases = [
    [{ method: "POST", body: "" }, "POST 0 0"],
    [{ method: "POST" }, "POST 0 0"],
    [{ method: "PUT", body: "häh" }, "PUT 4 4"],
    [{ method: "PUT", body: new Uint8Array(bytes) }, `PUT ${3 << 20} ${3 << 20}`],
    [{ method: "PATCH", body: stream, headers }, `PATCH ${6 << 20} ${6 << 20}`],
    [{ method: "PUT", body: stream }, `PUT chunked ${6 << 20}`],
    [{ method: "DELETE" }, "DELETE undefined 0"],
  ] as const;
  for (const [request, expected] of cases) {
    const response = await sender.send({ ...request, url: server.url() });
    assert.equal(Buffer.from(await readBody(response, 100)).toString(), expected);
  }
  assert.equal(server.sockets.length, 1);
});

test("a stream's own failure reaches who sends it; so does a length that is wrong", async (t) => {
  const server = await serve(t, (request) => request.resume());
  const failure = new BuildError("no such blob", { code: "BLOB_NOT_FOUND", status: "NotFound" });
  const failing = () =>
    Readable.from(
      (async function* () {
        yield await Promise.resolve(Buffer.from("some"));
        throw failure;
      })(),
    );
  const sender = transport(t);
  const put = { method: "PUT", url: server.url() } as const;
  await assert.rejects(sender.send({ ...put, body: failing }), (error) => error === failure);
  for (const length of ["3", "5"]) {
    const headers = { "content-length": length };
    const body = () => Readable.from([Buffer.from("four")]);
    await assert.rejects(sender.send({ ...put, headers, body, once: true }), { code: "HTTP_BODY_LENGTH" });
  }
});

test("an answer that comes before the body has gone is given, and the stream is let go", async (t) => {
  const server = await serve(t, (_request, response) => {
    response.writeHead(403);
    response.end("no");
  });
  const sender = transport(t);
  let stream: Readable | undefined;
  const body = () =>
    (stream = new Readable({
      read() {
        this.push(Buffer.alloc(65536));
      },
    }));
  const response = await sender.send({ method: "PUT", url: server.url(), body, once: true });
  assert.equal(response.status, 403);
  assert.equal(Buffer.from(await readBody(response, 10)).toString(), "no");
  assert.equal(stream!.destroyed, true);
  assert.equal(await text(sender, server.url()), "no");
});

test("authorization stays with its origin", async (t) => {
  const seen: (string | undefined)[] = [];
  const other = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end("other");
  });
  const server = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    if (request.url === "/far") response.writeHead(307, { location: other.url().href });
    if (request.url === "/near") response.writeHead(302, { location: "/end" });
    response.end("same");
  });
  const sender = transport(t);
  for (const path of ["/far", "/near"]) {
    const headers = { Authorization: "Basic x" };
    await (await sender.send({ method: "GET", url: server.url(path), headers })).discard();
  }
  assert.deepEqual(seen, ["Basic x", undefined, "Basic x", "Basic x"]);
});

/** A proxy that leads every name to one port; it wants a password. */
async function proxy(t: TestContext, port: number) {
  const seen: string[] = [];
  const wanted = `Basic ${Buffer.from("ann:p w").toString("base64")}`;
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (request.headers["proxy-authorization"] !== wanted) response.statusCode = 407;
    response.end("by proxy");
  });
  server.on("connect", (request, socket: Socket) => {
    seen.push(`CONNECT ${request.url}`);
    socket.on("error", () => {});
    if (request.headers["proxy-authorization"] !== wanted) return void socket.end("HTTP/1.1 407 No\r\n\r\n");
    const onward = connect(port, "127.0.0.1", () => socket.write("HTTP/1.1 200 OK\r\n\r\n"));
    onward.on("error", () => socket.destroy());
    onward.pipe(socket).pipe(onward);
    socket.on("close", () => onward.destroy());
  });
  return { seen, ...(await listen(t, server)) };
}

test("proxies: plain requests, tunnels, passwords, NO_PROXY, never for this machine", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-transport-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  makeTestCertificates(dir, "a.test");
  const pair = { cert: readFileSync(join(dir, "cert.pem")), key: readFileSync(join(dir, "key.pem")) };
  const server = await listen(
    t,
    createTlsServer(pair, (_request, response) => response.end("by tunnel")),
    "https",
  );
  const by = await proxy(t, server.port);
  const address = `http://ann:p%20w@127.0.0.1:${by.port}`;
  environment(t, { http_proxy: address, https_proxy: address, no_proxy: "127.0.0.1,exempt.invalid" });
  const sender = transport(t);

  assert.equal(await text(sender, new URL("http://a.invalid/x?y=1")), "by proxy");
  const tunnelled = new URL("https://a.invalid:444/");
  for (const _each of [1, 2]) {
    const response = await sender.send({ method: "GET", url: tunnelled, verifyTls: false });
    assert.equal(Buffer.from(await readBody(response, 100)).toString(), "by tunnel");
  }
  assert.deepEqual(by.seen, ["GET http://a.invalid/x?y=1", "CONNECT a.invalid:444"]);

  // Whatever the tunnel, certificates are checked.
  await assert.rejects(sender.send({ method: "GET", url: tunnelled }), /certificate/);
  const local = await serve(t, (_request, response) => response.end("local"));
  environment(t, { no_proxy: "" });
  assert.equal(await text(sender, local.url()), "local");
  assert.equal(await text(sender, new URL(`http://localhost:${local.port}/`)), "local");
  assert.equal(by.seen.length, 3);

  environment(t, { no_proxy: "exempt.invalid" });
  await assert.rejects(sender.send({ method: "GET", url: new URL("http://exempt.invalid/") }), {
    code: "REGISTRY_UNREACHABLE",
  });
  assert.equal(by.seen.length, 3);
});

test("a proxy's refusal is told without its password; a proxy that says nothing holds up no close", async (t) => {
  const by = await proxy(t, 1);
  const address = `http://ann:hunter2@127.0.0.1:${by.port}`;
  environment(t, { http_proxy: address, https_proxy: address, no_proxy: "" });
  const sender = transport(t);
  for (const url of ["http://a.invalid/", "https://a.invalid/"]) {
    await assert.rejects(sender.send({ method: "GET", url: new URL(url) }), (error: Error) => {
      assert.match(error.message, /^registry a\.invalid can't be reached: .*407/);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2/);
      return true;
    });
  }
  const silent = await listen(t, createPort());
  environment(t, { https_proxy: `http://127.0.0.1:${silent.port}` });
  const controller = new AbortController();
  const sent = sender.send({ method: "GET", url: new URL("https://a.invalid/") }, controller.signal);
  setTimeout(() => controller.abort(new Error("enough")), 50);
  await assert.rejects(sent, { message: "enough" });
  const closed = Promise.all(silent.sockets.map((each) => new Promise((resolve) => each.on("close", resolve))));
  assert.equal(silent.sockets.length, 1);
  silent.sockets[0]!.resume();
  await sender[Symbol.asyncDispose]();
  await closed;
});

test("TLS: an authority of the host's own, a certificate of ours, or no check", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "slipway-transport-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  makeTestCertificates(dir, "127.0.0.1");
  const read = (name: string) => readFileSync(join(dir, name));
  const options = { cert: read("cert.pem"), key: read("key.pem"), ca: read("ca.pem"), requestCert: true };
  const server = await listen(
    t,
    createTlsServer({ ...options, rejectUnauthorized: false }, (request, response) => {
      response.end(String((request.socket as unknown as { authorized: boolean }).authorized));
    }),
    "https",
  );
  const folder = join(dir, "certs.d", `127.0.0.1:${server.port}`);
  environment(t, { SLIPWAY_CERTS_D: join(dir, "certs.d") });
  await assert.rejects(text(transport(t), server.url()), {
    code: "REGISTRY_UNREACHABLE",
    hint: /its certificate is not trusted here/,
  });
  const unchecked = await transport(t).send({ method: "GET", url: server.url(), verifyTls: false });
  assert.equal(Buffer.from(await readBody(unchecked, 100)).toString(), "false");
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(dir, "ca.pem"), join(folder, "ca.crt"));
  copyFileSync(join(dir, "cert.pem"), join(folder, "client.cert"));
  copyFileSync(join(dir, "key.pem"), join(folder, "client.key"));
  const sender = transport(t);
  assert.equal(await text(sender, server.url()), "true");
  assert.equal(await text(sender, server.url()), "true");
  assert.equal(server.sockets.length, 3);
});

test("closing ends what is under way, and leaves nothing open", async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === "/kept") response.end("ok");
    if (request.url === "/body") response.write("begun");
  });
  const sender = transport(t);
  assert.equal(await text(sender, server.url("/kept")), "ok");
  const response = await sender.send({ method: "GET", url: server.url("/body") });
  const outcomes = Promise.allSettled([
    readBody(response, 100),
    ...Array.from({ length: 20 }, () => sender.send({ method: "GET", url: server.url("/never") })),
  ]);
  await sender[Symbol.asyncDispose]();
  for (const outcome of await outcomes) {
    assert.equal(outcome.status, "rejected");
    assert.match(String(outcome.reason), /the connections were closed/);
  }
  await allClosed(server);
  assert.equal(process.getActiveResourcesInfo().filter((each) => each === "TCPSocketWrap").length, 0);
  assert.equal(await text(sender, server.url("/kept")), "ok");
});
