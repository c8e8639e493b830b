import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { BuildError } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";
import { MessageReader } from "./message-reader.ts";
import { Channel, decodeBytesMessage, encodeBytesMessage, Metadata, parseAddress } from "./index.ts";
import { RpcError, RpcServer, serviceClient, StatusCode, tunnelOver } from "./index.ts";
import type { ServerCall } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "slipway-rpc-"));
const socket = { kind: "unix", path: join(folder, "s/rpc.sock") } as const;

describe("a server and a channel over a unix socket", () => {
  const server = new RpcServer();
  let channel: Channel;
  let seen: ServerCall | undefined;
  const left = Promise.withResolvers<unknown>();

  before(async () => {
    server.addService(control.Control, {
      info: (_request, call) => {
        seen = call;
        return Promise.resolve({ buildkitVersion: { version: "v1" } });
      },
      listWorkers: () =>
        Promise.reject(
          new RpcError(StatusCode.NOT_FOUND, "nothing: 100 % of it – gone\n", {
            details: [{ typeUrl: "type.example/x", value: Buffer.from("detail") }],
          }),
        ),
      diskUsage: () => Promise.reject(new BuildError("no such thing", { code: "X", status: "FailedPrecondition" })),
      async *status(request) {
        for (let index = 0; index < 1000; index++) {
          yield { logs: [{ vertex: request.Ref, msg: Buffer.alloc(index) }] };
        }
      },
      async *listenBuildHistory(_request, call) {
        yield {};
        await once(call.signal, "abort");
        left.resolve(call.signal.reason);
      },
      async *session(requests) {
        for await (const { data } of requests) yield { data };
      },
    });
    server.addRaw("/slow/Slow", (call) => once(call.signal, "abort").then(() => undefined));
    await server.listen(socket, { mode: 0o660 });
    channel = await Channel.dial(socket);
  });
  after(async () => {
    await channel[Symbol.asyncDispose]();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test("the socket has the mode asked for", () => assert.equal(statSync(socket.path).mode & 0o777, 0o660));

  test("a path that is in use is refused, one that a dead process left is taken", async () => {
    const other = new RpcServer();
    await assert.rejects(other.listen(socket), { code: "ADDRESS_IN_USE" });
    const file = join(folder, "file");
    writeFileSync(file, "kept");
    await assert.rejects(other.listen({ kind: "unix", path: file }), { code: "ADDRESS_IN_USE" });
    assert.equal(statSync(file).size, 4);
  });

  test("unary, with repeated metadata kept apart", async () => {
    const metadata = new Metadata({ "include-patterns": ["a, b", "c"], one: "1" });
    const answer = await serviceClient(control.Control, channel).info({}, { metadata });
    assert.equal(answer.buildkitVersion?.version, "v1");
    assert.deepEqual(seen?.metadata.getAll("include-patterns"), ["a, b", "c"]);
    assert.equal(seen?.metadata.get("One"), "1");
    assert.equal(seen?.path, "/moby.buildkit.v1.Control/Info");
    assert.equal(seen?.peer.transport, "unix");
  });

  test("errors arrive with code, sentence and details", async () => {
    const client = serviceClient(control.Control, channel);
    await assert.rejects(client.listWorkers({}), (error: RpcError) => {
      assert.equal(error.code, StatusCode.NOT_FOUND);
      assert.equal(error.message, "nothing: 100 % of it – gone\n");
      assert.deepEqual(
        error.details.map(({ typeUrl, value }) => [typeUrl, Buffer.from(value).toString()]),
        [["type.example/x", "detail"]],
      );
      return true;
    });
    await assert.rejects(client.diskUsage({}), { code: StatusCode.FAILED_PRECONDITION, message: "no such thing" });
    await assert.rejects(client.updateBuildHistory({}), {
      code: StatusCode.UNIMPLEMENTED,
      message: "unknown method UpdateBuildHistory for service moby.buildkit.v1.Control",
    });
    await assert.rejects(channel.call("/no.Such/Thing").trailers, { message: "unknown service no.Such" });
  });

  test("streams of messages in order", async () => {
    let index = 0;
    for await (const { logs } of serviceClient(control.Control, channel).status({ Ref: "r" })) {
      assert.equal(logs[0]?.msg.length, index++);
      assert.equal(logs[0]?.vertex, "r");
    }
    assert.equal(index, 1000);
  });

  test("a client that leaves a stream ends its handler", async () => {
    for await (const _ of serviceClient(control.Control, channel).listenBuildHistory({})) break;
    assert.match(String(await left.promise), /the client left/);
  });

  test("an aborted call rejects with the signal's reason; others go on", async () => {
    const controller = new AbortController();
    const call = channel.call("/slow/Slow", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(call.trailers, /enough/);
    await assert.rejects(
      channel.call("/slow/Slow", { signal: AbortSignal.abort(new Error("before")) }).trailers,
      /before/,
    );
    await serviceClient(control.Control, channel).info({});
  });

  test("a deadline that passes is told", async () => {
    const metadata = new Metadata();
    metadata.set("grpc-timeout", "10m");
    await assert.rejects(channel.call("/slow/Slow", { metadata }).trailers, { code: StatusCode.DEADLINE_EXCEEDED });
  });

  test("a message over the limit is refused, and the connection goes on", async () => {
    const call = channel.call("/moby.buildkit.v1.Control/Info");
    await call.send(Buffer.alloc(17 << 20));
    call.end();
    await assert.rejects(call.trailers, { code: StatusCode.RESOURCE_EXHAUSTED });
    const garbage = channel.call("/moby.buildkit.v1.Control/Info");
    await garbage.send(Buffer.from("\xff\xff\xff", "latin1"));
    garbage.end();
    await assert.rejects(garbage.trailers, { code: StatusCode.INVALID_ARGUMENT });
    await serviceClient(control.Control, channel).info({});
  });

  test("a server inside a call: sessions", async () => {
    const inner = new RpcServer();
    inner.addService(control.Control, {
      info: () => Promise.resolve({ buildkitVersion: { version: "inner" } }),
      async *session(requests) {
        for await (const { data } of requests) yield { data };
      },
    });
    const outer = new RpcServer();
    const result = Promise.withResolvers<string>();
    outer.addRaw("/s/Session", async (call) => {
      call.sendHeaders();
      await using tunnel = Channel.over(tunnelOver(call));
      const client = serviceClient(control.Control, tunnel);
      const { buildkitVersion } = await client.info({});
      let bytes = 0;
      const chunk = Buffer.alloc(100_000, 7);
      const sent = async function* () {
        for (let index = 0; index < 200; index++) yield { data: chunk };
      };
      for await (const { data } of client.session(sent())) {
        assert.ok(data.every((byte) => byte === 7));
        bytes += data.length;
      }
      result.resolve(`${buildkitVersion?.version} ${bytes}`);
    });
    const path = join(folder, "outer.sock");
    await outer.listen({ kind: "unix", path });
    await using outerChannel = await Channel.dial({ kind: "unix", path });
    const call = outerChannel.call("/s/Session");
    const served = inner.serve(tunnelOver(call, { onFinish: () => call.end() }));
    assert.equal(await result.promise, "inner 20000000");
    await served;
    await outer.close();
  });

  test("bytes that are no HTTP/2 end their connection alone", async () => {
    const hostile = connect(socket.path);
    hostile.write("GET / HTTP/1.1\r\n\r\n");
    hostile.resume();
    hostile.on("error", () => undefined);
    await once(hostile, "close");
    await serviceClient(control.Control, channel).info({});
  });

  test("draining lets what runs end", async () => {
    const draining = new RpcServer();
    const finish = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    draining.addRaw("/d/D", async (call) => {
      started.resolve();
      await finish.promise;
      await call.send(Buffer.from("done"));
    });
    const path = join(folder, "drain.sock");
    await draining.listen({ kind: "unix", path });
    await using client = await Channel.dial({ kind: "unix", path });
    const call = client.call("/d/D");
    call.end();
    await started.promise;
    const drained = draining.drain();
    await assert.rejects(Channel.dial({ kind: "unix", path }), { code: StatusCode.UNAVAILABLE });
    finish.resolve();
    const answers = await Array.fromAsync(call.messages);
    assert.deepEqual(answers.map(String), ["done"]);
    await drained;
  });
});

test("nobody there", async () => {
  const message = `can't connect to unix:///no/such.sock: connect ENOENT /no/such.sock`;
  await assert.rejects(Channel.dial({ kind: "unix", path: "/no/such.sock" }), {
    code: StatusCode.UNAVAILABLE,
    message,
  });
});

test("addresses", () => {
  assert.deepEqual(parseAddress("unix:///run/x.sock"), { kind: "unix", path: "/run/x.sock" });
  assert.deepEqual(parseAddress("tcp://[::1]:1234"), { kind: "tcp", host: "::1", port: 1234 });
  assert.deepEqual(parseAddress("tcp://:1234"), { kind: "tcp", host: "0.0.0.0", port: 1234 });
  assert.deepEqual(parseAddress("fd://"), { kind: "fd", fd: 3 });
  for (const text of ["/run/x.sock", "unix://", "tcp://host", "tcp://host:99999", "http://host:1"]) {
    assert.throws(() => parseAddress(text), {
      code: "ADDRESS_INVALID",
      message: `invalid address ${JSON.stringify(text)}`,
    });
  }
});

test("messages are read the same however the bytes are cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (all, cuts) => {
        const bytes = Buffer.concat(
          all.flatMap((message) => [Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]),
        );
        const reader = new MessageReader(1000);
        const read: Uint8Array[] = [];
        for (let offset = 0; offset < bytes.length;) {
          const size = cuts.next().value as number;
          read.push(...reader.read(bytes.subarray(offset, offset + size)));
          offset += size;
        }
        assert.deepEqual(
          read.map((message) => [...message]),
          all.map((message) => [...message]),
        );
        assert.ok(reader.atBoundary);
      },
    ),
  );
});

test("BytesMessage", () => {
  for (const length of [0, 1, 127, 128, 16_384, 3_000_000]) {
    const data = Buffer.alloc(length, 1);
    assert.deepEqual(Buffer.from(decodeBytesMessage(encodeBytesMessage(data))), data);
  }
  for (const bad of [[0x0a], [0x0a, 5, 1], [0x12, 1, 1], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    assert.throws(() => decodeBytesMessage(Buffer.from(bad)), { message: "malformed BytesMessage" });
  }
});
