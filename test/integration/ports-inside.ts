// Published ports and packet rules, with real servers and clients. Started by networks.test.ts.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { utimesSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createNetwork, renameInNetworks, sweepNetworks } from "../../src/running/networks/index.ts";
import { lookUp } from "./dns-tools.ts";
import { ask, children, echo, fromOutside, HOST, outside, OUTSIDE, publish, root, start } from "./network-house.ts";
import { networkLeftovers } from "./network-leftovers.ts";

test("published ports answer on every address of the host, from inside and outside, with the sender's address kept", async () => {
  await createNetwork(root, { name: "shop" });
  const web = await start({
    name: "web",
    networks: ["shop"],
    network: publish("8080:80", "127.0.0.1:8081:81", `${HOST}:8082:82`, "9000-9002:90-92"),
  });
  for (const port of [80, 81, 82, 90, 91, 92]) await echo(web, port, `port-${port}`);
  for (const [host, port, text] of [
    ["127.0.0.1", 8080, "port-80"],
    ["::1", 8080, "port-80"],
    [HOST, 8080, "port-80"],
    ["127.0.0.1", 8081, "port-81"],
    [HOST, 8082, "port-82"],
    ["127.0.0.1", 9000, "port-90"],
    ["127.0.0.1", 9002, "port-92"],
  ] as const)
    assert.equal(await ask(port, host), text, `${host}:${port}`);
  assert.equal(fromOutside("busybox", "nc", HOST, "8080").trim(), "port-80");
  assert.throws(() => fromOutside("busybox", "nc", "-w1", HOST, "8081"));
  // Another network's containers come through the host too.
  await createNetwork(root, { name: "other" });
  const neighbour = await start({ name: "neighbour", networks: ["other"] });
  assert.equal(neighbour.run("busybox", "nc", HOST, "8080").trim(), "port-80");
  assert.equal(neighbour.run("busybox", "nc", neighbour.plan.endpoints[0]!.gateway, "8080").trim(), "port-80");
  assert.throws(() => neighbour.run("busybox", "nc", "-w1", web.address, "80"), "networks are apart");
  assert.equal(web.run("busybox", "nc", HOST, "8080").trim(), "port-80", "its own port");
});

test("the sender's address: kept from outside, and masqueraded on the way out", async () => {
  const web = await start({ name: "web", network: publish("8080:80") });
  const script = `require("net").createServer((s)=>{s.on("error",()=>{});s.end(s.remoteAddress+"\\n")}).listen(+process.argv[1],"0.0.0.0",()=>console.log("up"))`;
  const server = await web.serve(process.execPath, "-e", script, "80");
  await once(server.stdout!, "data");
  assert.equal(fromOutside("busybox", "nc", HOST, "8080").trim(), OUTSIDE);
  const there = spawn("nsenter", [`--net=/proc/${outside.pid}/ns/net`, process.execPath, "-e", script, "7000"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(there);
  await once(there.stdout!, "data");
  assert.equal(web.run("busybox", "nc", OUTSIDE, "7000").trim(), HOST);
});

test("UDP ports, with replies from the address that was asked", async () => {
  const script = `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send("re:"+m,r.port,r.address));s.bind(5353,"0.0.0.0",()=>console.log("up"))`;
  const server = await start({ name: "udp", network: publish("5300:5353/udp") });
  const child = await server.serve(process.execPath, "-e", script);
  await once(child.stdout!, "data");
  for (const host of ["127.0.0.1", HOST]) {
    const socket = createSocket("udp4");
    socket.connect(5300, host);
    await once(socket, "connect");
    for (const text of ["one", "two"]) {
      socket.send(text);
      const [reply] = (await once(socket, "message", { signal: AbortSignal.timeout(5000) })) as [Buffer];
      assert.equal(reply.toString(), `re:${text}`);
    }
    socket.close();
  }
  const client = `const s=require("dgram").createSocket("udp4");s.connect(5300,"${HOST}",()=>{s.send("x");s.on("message",(m)=>{console.log(""+m);process.exit()})})`;
  assert.equal(fromOutside(process.execPath, "-e", client).trim(), "re:x");
});

test("a UDP client that never falls silent reaches the container that has the port now", async () => {
  const server = `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send(process.argv[1],r.port,r.address));s.bind(53,"0.0.0.0",()=>console.log("up"))`;
  const client = `const s=require("dgram").createSocket("udp4");s.on("error",()=>{});s.connect(5300,"${HOST}",()=>{s.on("message",(m)=>console.log(""+m));setInterval(()=>s.send("x"),50)})`;
  const serve = async (name: string) => {
    const member = await start({ name, network: publish("5300:53/udp") });
    const child = await member.serve(process.execPath, "-e", server, name);
    await once(child.stdout!, "data");
    return member;
  };
  const first = await serve("first");
  const child = spawn("nsenter", [`--net=/proc/${outside.pid}/ns/net`, process.execPath, "-e", client], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  let heard = "";
  child.stdout.on("data", (chunk: Buffer) => (heard = chunk.toString().trim().split("\n").at(-1)!));
  const hears = async (name: string) => {
    for (let left = 100; heard !== name; left--) {
      assert.ok(left > 0, `${name} is not reached, but ${heard}`);
      await sleep(50);
    }
  };
  await hears("first");
  await first.stop();
  const other = await start({ name: "other" });
  assert.equal(other.address, first.address, "the old address has another owner");
  await serve("second");
  await hears("second");
});

test("large transfers go through whole, both ways, with half-closed ends", async () => {
  const web = await start({ name: "web", network: publish("127.0.0.1:8080:80") });
  const script = `require("net").createServer({allowHalfOpen:true},(s)=>{const h=require("crypto").createHash("sha256");let n=0;s.on("data",(d)=>{h.update(d);n+=d.length});
    s.on("end",()=>{s.write(n+" "+h.digest("hex")+"\\n");s.end(Buffer.alloc(3e6,"z"))})}).listen(80,"0.0.0.0",()=>console.log("up"))`;
  const server = await web.serve(process.execPath, "-e", script);
  await once(server.stdout!, "data");
  const replies = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const socket = connect({ port: 8080, host: "127.0.0.1", allowHalfOpen: true });
      socket.end(Buffer.alloc(5_000_000, "x"));
      let text = "";
      socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      await once(socket, "close");
      return text;
    }),
  );
  for (const text of replies) {
    assert.match(text, /^5000000 [0-9a-f]{64}\nz/);
    assert.equal(text.length, 3_000_000 + text.indexOf("\n") + 1);
  }
});

test("a port in use: by one of ours, by another program, free ones of a range, random ones", async () => {
  const web = await start({ name: "web", network: publish("8080:80") });
  const refused = (spec: string, message: RegExp, hint: RegExp) =>
    assert.rejects(start({ name: "second", network: publish(spec) }), (error: Error & { hint?: string }) => {
      assert.match(error.message, message);
      assert.match(error.hint ?? "", hint);
      return true;
    });
  await refused(
    "8080:81",
    /^driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    /container web has it: slipway stop web/,
  );
  await refused("127.0.0.1:8080:81", /Bind for 127\.0\.0\.1:8080 failed/, /container web/);
  const server = createServer().listen(7777, "127.0.0.1");
  await once(server, "listening");
  await refused(
    "7777:80",
    /failed to bind host port 0\.0\.0\.0:7777\/tcp: address already in use$/,
    new RegExp(`\\(pid ${process.pid}\\) listens there`),
  );
  server.close();
  const range = await start({ name: "range", network: publish("8080-8085:80") });
  assert.deepEqual(
    range.plan.ports.map(({ hostPort }) => hostPort),
    [8081, 8081],
  );
  const random = await start({ name: "random", network: publish("80", "127.0.0.1::81") });
  const ports = random.plan.ports.map(({ hostPort }) => hostPort);
  assert.ok(ports.every((port) => port >= 1024) && ports[0] === ports[1], String(ports));
  await web.stop();
  await start({ name: "again", network: publish("8080:80") });
});

test("rules that a firewall swept away come back, and a new name is found at once", async () => {
  const web = await start({ name: "web", network: publish("8080:80") });
  execFileSync("iptables", ["-F", "FORWARD"]);
  const filter = join(root, "networks", web.plan.endpoints[0]!.networkId, "filter");
  utimesSync(filter, 1, 1);
  const user = await start({ name: "user" });
  assert.ok(
    networkLeftovers().some((line) => line.startsWith("-A FORWARD")),
    networkLeftovers().join("\n"),
  );
  await renameInNetworks(root, web.id, "shop");
  assert.deepEqual(lookUp(user, "shop"), [web.address]);
  assert.notDeepEqual(lookUp(user, "web"), [web.address]);
});

test("without netfilter: ports through the proxy, and a warning that says what is lost", async () => {
  process.env["SLIPWAY_NETFILTER"] = "none";
  try {
    const web = await start({ name: "web", network: publish("8080:80") });
    assert.match(web.plan.warnings.join(), /netfilter can't be used here.*reach nothing outside/);
    await echo(web, 80, "proxied");
    assert.equal(await ask(8080, "127.0.0.1"), "proxied");
    assert.equal(fromOutside("busybox", "nc", HOST, "8080").trim(), "proxied");
    assert.deepEqual(
      networkLeftovers().filter((line) => line.includes("SW")),
      [],
    );
  } finally {
    delete process.env["SLIPWAY_NETFILTER"];
  }
});

test(
  "with nft alone: the same ports, masquerade and walls",
  { skip: hasNft() ? false : "no nft program here" },
  async () => {
    process.env["SLIPWAY_NETFILTER"] = "nft";
    try {
      const web = await start({ name: "web", network: publish("8080:80") });
      assert.deepEqual(web.plan.warnings, []);
      const script = `require("net").createServer((s)=>{s.on("error",()=>{});s.end(s.remoteAddress+"\\n")}).listen(80,"0.0.0.0",()=>console.log("up"))`;
      const server = await web.serve(process.execPath, "-e", script);
      await once(server.stdout!, "data");
      assert.equal(fromOutside("busybox", "nc", HOST, "8080").trim(), OUTSIDE);
      web.run("busybox", "ping", "-c1", "-W2", OUTSIDE);
      await web.kill();
      await sweepNetworks(root);
      assert.equal(execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).includes("SW"), false);
    } finally {
      delete process.env["SLIPWAY_NETFILTER"];
    }
  },
);

function hasNft(): boolean {
  try {
    execFileSync("nft", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
