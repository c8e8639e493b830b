// What nobody honest sends, and too much at once: refused with a precise error, while builds beside it go on.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { digestOf } from "../../src/base/index.ts";
import { encodeStat, goMode } from "../../src/formats/fsutil/index.ts";
import { control, gateway, health, pb } from "../../src/formats/proto/index.ts";
import { Channel, Metadata, RpcError, RpcServer, serviceClient, tunnelOver } from "../../src/system/rpc/index.ts";
import { withoutBuildx } from "../integration/peers.ts";
import { DaemonPeer, residentBytes } from "./daemon-peer.ts";
import { Project } from "./project.ts";
import { leftovers } from "./store-inspection.ts";

const skip = withoutBuildx() || (process.getuid?.() === 0 ? false : "steps need root here");

await suite("bad input to the daemon", { skip }, () => {
  const project = new Project();
  let daemon: DaemonPeer;
  let channel: Channel;
  let beside: Promise<void>;
  const stopBeside = new AbortController();

  before(async () => {
    daemon = await DaemonPeer.start(project);
    channel = await Channel.dial({ kind: "unix", path: join(project.dir, "d.sock") });
    // Builds that nothing here may disturb.
    const dir = project.context(
      'FROM scratch\nCOPY busybox /bin/busybox\nARG N\nRUN ["/bin/busybox", "sleep", "0.2"]\n',
    );
    beside = (async () => {
      for (let n = 0; !stopBeside.signal.aborted; n++) {
        const { code, output } = await daemon.buildx(["build", "--build-arg", `N=${n}`, dir]);
        assert.equal(code, 0, output);
      }
    })();
    beside.catch(() => undefined);
  });
  after(async () => {
    stopBeside.abort();
    await channel[Symbol.asyncDispose]();
    try {
      await beside;
      assert.equal(await daemon.stop(), 0);
      assert.deepEqual(leftovers(project.state), []);
    } finally {
      await daemon[Symbol.asyncDispose]();
      project[Symbol.dispose]();
    }
  });

  const solve = (request: Parameters<ReturnType<typeof api>["solve"]>[0]) =>
    api().solve({ Ref: randomBytes(8).toString("hex"), ...request });
  const api = () => serviceClient(control.Control, channel);
  const bridge = () => serviceClient(gateway.LLBBridge, channel);

  const source = (identifier: string): Uint8Array =>
    toBinary(pb.OpSchema, create(pb.OpSchema, { op: { case: "source", value: { identifier } } }));
  const after_ = (digest: string, op: Parameters<typeof create<typeof pb.OpSchema>>[1] = {}): Uint8Array =>
    toBinary(pb.OpSchema, create(pb.OpSchema, { ...op, inputs: [create(pb.InputSchema, { digest, index: 0n })] }));
  const end = (bytes: Uint8Array) => after_(digestOf(bytes));

  suite("definitions", () => {
    const cases: [name: string, def: () => Uint8Array[], message: RegExp][] = [
      ["no op", () => [Buffer.from("ffff", "hex")], /./],
      [
        "a cycle",
        () => {
          const one = after_(`sha256:${"1".repeat(64)}`, { op: { case: "merge", value: { inputs: [] } } });
          return [one, after_(digestOf(one))];
        },
        /./,
      ],
      ["an input that is not there", () => [after_(`sha256:${"2".repeat(64)}`)], /./],
      ["a digest that is none", () => [after_("not-a-digest")], /./],
      [
        "an unknown source",
        () => {
          const op = source("gopher://x");
          return [op, end(op)];
        },
        /gopher/,
      ],
      [
        "no kind of op",
        () => {
          const op = toBinary(pb.OpSchema, create(pb.OpSchema));
          return [op, end(op)];
        },
        /./,
      ],
    ];
    for (const [name, def, message] of cases) {
      test(name, async () => {
        await assert.rejects(solve({ Definition: { def: def() } }), (error: unknown) => {
          assert.ok(error instanceof RpcError, String(error));
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /undefined|Cannot read|is not a function/);
          return true;
        });
      });
    }

    test("a hundred thousand vertexes in a row", async () => {
      const ops: Uint8Array[] = [source("docker-image://127.0.0.1:1/none:1")];
      for (let n = 0; n < 100_000; n++) {
        const action = {
          action: { case: "mkdir" as const, value: { path: `/${n}`, mode: 0o755 } },
          input: 0n,
          output: 0n,
          secondaryInput: -1n,
        };
        ops.push(after_(digestOf(ops.at(-1)!), { op: { case: "file", value: { actions: [action] } } }));
      }
      ops.push(end(ops.at(-1)!));
      await assert.rejects(solve({ Definition: { def: ops } }), /of 100002 ops is too large: at most 25000/);
    });
  });

  test("a difference of trees that stand on one another, without a session", async () => {
    const file = (input: Uint8Array | undefined, name: string, data: string): Uint8Array => {
      const inputs = input === undefined ? [] : [create(pb.InputSchema, { digest: digestOf(input), index: 0n })];
      const mkfile = { path: name, mode: 0o644, data: Buffer.from(data) };
      const from = input === undefined ? -1n : 0n;
      const actions = [
        { action: { case: "mkfile" as const, value: mkfile }, input: from, output: 0n, secondaryInput: -1n },
      ];
      return toBinary(pb.OpSchema, create(pb.OpSchema, { inputs, op: { case: "file", value: { actions } } } as never));
    };
    const base = file(undefined, "/of-the-base", "b");
    const upper = file(base, "/on-top", "t");
    const difference = toBinary(
      pb.OpSchema,
      create(pb.OpSchema, {
        inputs: [base, upper].map((op) => create(pb.InputSchema, { digest: digestOf(op), index: 0n })),
        op: { case: "diff", value: { lower: { input: 0n }, upper: { input: 1n } } },
      } as never),
    );
    const build = (copied: string) => {
      const dockerfile = file(undefined, "/Dockerfile", `FROM scratch\nCOPY --from=difference ${copied} /\n`);
      const FrontendInputs = {
        dockerfile: { def: [dockerfile, end(dockerfile)] },
        context: { def: [base, end(base)] },
        difference: { def: [base, upper, difference, end(difference)] },
      };
      const FrontendAttrs = { "context:difference": "input:difference" };
      return solve({ Frontend: "dockerfile.v0", FrontendInputs: FrontendInputs as never, FrontendAttrs });
    };
    await build("/on-top");
    await assert.rejects(build("/of-the-base"), /"\/of-the-base": not found/);
  });

  suite("requests", () => {
    test("an unknown frontend, exporter, cache, session", async () => {
      await assert.rejects(solve({ Frontend: "nosuch.v0" }), /frontend "nosuch.v0" is not supported/);
      await assert.rejects(solve({ Frontend: "dockerfile.v0", Exporters: [{ Type: "floppy" }] }), /floppy/);
      await assert.rejects(
        solve({ Frontend: "dockerfile.v0", Cache: { Exports: [{ Type: "tape" }] } }),
        /unknown cache exporter: "tape"/,
      );
      await assert.rejects(solve({ Frontend: "dockerfile.v0" }), /no local source named|context/);
      await assert.rejects(
        solve({ Frontend: "dockerfile.v0", FrontendAttrs: { "cache-imports": "{" } }),
        /cache-imports is no list/,
      );
      await assert.rejects(api().solve({}), /without a Ref/);
    });

    test("a folder of this machine is nobody's cache", async () => {
      const Cache = { Exports: [{ Type: "local", Attrs: { dest: "/etc" } }] };
      await assert.rejects(
        solve({ Definition: { def: [] }, Frontend: "dockerfile.v0", Cache }),
        /offers no folder \/etc/,
      );
    });

    test("a gateway without its build", async () => {
      await assert.rejects(bridge().ping({}), /no buildkit-controlapi-buildid/);
    });

    test("no messages of the service's, and too long ones", async () => {
      const raw = async (path: string, message: Uint8Array) => {
        const call = channel.call(path);
        await call.send(message);
        call.end();
        for await (const _ of call.messages);
      };
      await assert.rejects(raw("/moby.buildkit.v1.Control/Solve", Buffer.from("ffffff", "hex")), /malformed/);
      await assert.rejects(raw("/moby.buildkit.v1.Control/Solve", Buffer.alloc(17 << 20)), /larger than max/);
      await assert.rejects(raw("/no.such.Service/Method", Buffer.alloc(0)), /unknown service/);
    });

    test("bytes that are no HTTP/2", async () => {
      const socket = connect(join(project.dir, "d.sock"));
      socket.on("error", () => undefined);
      socket.resume();
      socket.write(randomBytes(100_000));
      await once(socket, "close");
      assert.ok(await api().info({}));
    });

    test("a session without a name, and one name twice", async () => {
      const open = (id?: string) => {
        const metadata = new Metadata(id === undefined ? {} : { "x-docker-expose-session-uuid": id });
        return channel.call("/moby.buildkit.v1.Control/Session", { metadata });
      };
      await assert.rejects(open().trailers, /without an id/);
      const first = open("same");
      await first.header;
      await assert.rejects(open("same").trailers, /session same is there already/);
      first.cancel();
    });
  });

  suite("sessions that lie", () => {
    /** A client whose file sync sends what it likes. */
    async function withSession(id: string, packets: readonly Uint8Array[], use: () => Promise<void>): Promise<void> {
      const server = new RpcServer();
      server.addService(health.Health, { check: () => Promise.resolve({ status: 1 }) });
      server.addRaw("/moby.filesync.v1.FileSync/DiffCopy", async (call) => {
        for (const packet of packets) await call.send(packet);
        for await (const _ of call.messages);
      });
      const metadata = new Metadata({
        "x-docker-expose-session-uuid": id,
        "x-docker-expose-session-grpc-method": "/moby.filesync.v1.FileSync/DiffCopy",
      });
      const call = channel.call("/moby.buildkit.v1.Control/Session", { metadata });
      const serving = server.serve(tunnelOver(call, { onFinish: () => call.end() }));
      try {
        await use();
      } finally {
        await server.close();
        call.cancel();
        await serving;
      }
    }
    const entry = (path: string, mode = 0o100644, linkname = "") =>
      encodeStat({
        path,
        mode: goMode(mode),
        uid: 0,
        gid: 0,
        size: 0,
        mtimeNs: 0n,
        linkname,
        devmajor: 0,
        devminor: 0,
        xattrs: undefined,
      });

    const cases: [name: string, packets: Uint8Array[], message: RegExp][] = [
      ["..", [entry("../../etc/x")], /it is not plain/],
      ["an absolute path", [entry("/etc/x")], /it is not relative/],
      [
        "a path through its own link",
        [entry("l", 0o120777, "/etc"), entry("l/x")],
        /without the folder that it lies in/,
      ],
      ["a hard link out", [entry("h", 0o100644, "../../../etc/passwd")], /as a link to/],
    ];
    for (const [at, [name, packets, message]] of cases.entries()) {
      test(name, async () => {
        await withSession(`liar-${at}`, packets, () =>
          assert.rejects(solve({ Session: `liar-${at}`, Frontend: "dockerfile.v0" }), message),
        );
      });
    }

    test("a session that never comes", async () => {
      await assert.rejects(solve({ Session: "nobody", Frontend: "dockerfile.v0" }), /no active session for nobody/);
    });
  });

  test("64 builds at once: all succeed, what they share is done once", async () => {
    stopBeside.abort();
    await beside;
    const dir = project.context(
      'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "/bin/busybox sleep 2; /bin/busybox head -c 20 /dev/urandom | /bin/busybox md5sum > /once"]\nARG N\nRUN ["/bin/busybox", "sh", "-c", "/bin/busybox cat /once; echo number $N"]\n',
    );
    const builds = Array.from({ length: 64 }, (_, n) => daemon.buildx(["build", "--build-arg", `N=${n}`, dir]));
    const outcomes = await Promise.all(builds);
    const sums = new Set<string>();
    for (const { code, output } of outcomes) {
      assert.equal(code, 0, output);
      const sum = /\d ([0-9a-f]{32})/.exec(output)?.[1];
      if (sum !== undefined) sums.add(sum);
    }
    assert.equal(sums.size, 1);
    assert.ok(residentBytes(daemon.process.pid!) < 1e9);
  });
});
