// Networks with real bridges, rules, DNS and proxies. Started by networks.test.ts in a network and mount namespace of its own, so that
// nothing of this machine's network is touched. The host of these tests is that namespace, with one more that plays the outside.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  connectNetwork,
  renameInNetworks,
  createNetwork,
  disconnectNetwork,
  endpointsOf,
  networkFindings,
  networkMembers,
  leaveNetworks,
  listNetworks,
  parsePortSpec,
  pruneNetworks,
  removeNetwork,
  sweepNetworks,
} from "../../src/running/networks/index.ts";
import { lookUp, query, rawUdp, resolver } from "./dns-tools.ts";
import { Member, type MemberOptions } from "./network-members.ts";

const helper = process.env["SLIPWAY_NET_HELPER"]!;
const HOST = "192.0.2.1";
const OUTSIDE = "192.0.2.2";
let home: string;
let root: string;
let outside: ChildProcess;
const members: Member[] = [];
const children: ChildProcess[] = [];

before(async () => {
  home = mkdtempSync(join(tmpdir(), "slipway-networks-"));
  root = join(home, "state");
  mkdirSync(root);
  outside = spawn("unshare", ["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(outside.stdout!, "data");
  ip("link set lo up");
  ip(`link add out0 type veth peer name in0 netns ${outside.pid}`);
  ip(`address add ${HOST}/24 dev out0`);
  ip("link set out0 up");
  fromOutside("ip", "address", "add", `${OUTSIDE}/24`, "dev", "in0");
  fromOutside("ip", "link", "set", "in0", "up");
  // The host's resolver: a file of this mount namespace.
  writeFileSync(join(home, "resolv.conf"), "nameserver 127.0.0.53\nsearch corp.example\noptions timeout:2\n");
  execFileSync("mount", ["--bind", join(home, "resolv.conf"), "/etc/resolv.conf"]);
});

afterEach(async () => {
  for (const member of members.splice(0)) await member.stop();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await pruneNetworks(root, () => true);
  await sweepNetworks(root, { thorough: true });
  assert.deepEqual(leftovers(), [], "bridges, wires and rules left behind");
});

after(() => {
  outside.kill("SIGKILL");
  execFileSync("umount", ["/etc/resolv.conf"]);
  rmSync(home, { recursive: true, force: true });
});

function ip(line: string): void {
  execFileSync("ip", line.split(" "), { stdio: ["ignore", "ignore", "inherit"] });
}

function fromOutside(...argv: string[]): string {
  return execFileSync("nsenter", [`--net=/proc/${outside.pid}/ns/net`, ...argv], { encoding: "utf8", timeout: 20_000 });
}

function leftovers(): string[] {
  const devices = execFileSync("ip", ["-o", "link"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes(": sw"));
  const rules = execFileSync("iptables-save", { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("SW"));
  return [...devices, ...rules];
}

async function start(options: MemberOptions): Promise<Member> {
  const member = await Member.start(root, helper, options);
  members.push(member);
  return member;
}

const publish = (...specs: string[]) => ({ ports: specs.flatMap(parsePortSpec) });

/** A server of one line inside. */
async function echo(member: Member, port: number, text: string): Promise<void> {
  await member.serve("busybox", "nc", "-ll", "-p", String(port), "-e", "/bin/echo", text);
  for (let left = 100; !member.run("busybox", "netstat", "-ltn").includes(`:${port} `); left--) {
    assert.ok(left > 0, `nothing listens on ${port}`);
    await sleep(20);
  }
}

async function ask(port: number, host: string): Promise<string> {
  const socket: Socket = connect(port, host);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, "close");
  return text.trim();
}

test("names and aliases of a network resolve, in any case and with the network's name", async () => {
  await createNetwork(root, { name: "shop" });
  const web = await start({ name: "web", networks: ["shop"], aliases: ["www", "Shop.Example"] });
  const client = await start({ name: "client", networks: ["shop"] });
  for (const name of ["web", "WEB", "www", "web.shop", "shop.example", web.id.slice(0, 12)])
    assert.deepEqual(lookUp(client, name), [web.address], name);
  assert.deepEqual(lookUp(client, "web", "6"), ["ENODATA"]);
  assert.deepEqual(lookUp(client, web.address, "ptr"), ["web.shop"]);
  assert.deepEqual(lookUp(web, "client"), [client.address]);
});

test("replicas take turns, and a dead one is not named any more", async () => {
  await createNetwork(root, { name: "shop" });
  const client = await start({ name: "client", networks: ["shop"] });
  const replicas = [];
  for (const name of ["a", "b", "c"]) replicas.push(await start({ name, networks: ["shop"], aliases: ["svc"] }));
  const firsts = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const found = lookUp(client, "svc");
    assert.deepEqual(found.toSorted(), replicas.map(({ address }) => address).toSorted());
    firsts.add(found[0]!);
  }
  assert.equal(firsts.size, 3);
  await replicas[1]!.kill();
  assert.deepEqual(lookUp(client, "svc").toSorted(), [replicas[0]!.address, replicas[2]!.address].toSorted());
  assert.notEqual(lookUp(client, "b")[0], replicas[1]!.address);
});

test("sixty replicas: cut short over UDP, whole over TCP", async () => {
  const network = await createNetwork(root, { name: "many" });
  const client = await start({ name: "client", networks: ["many"] });
  const dir = join(root, "networks");
  const live = readFileSync(join(dir, "attached", client.id), "utf8");
  assert.match(live, new RegExp(`^network ${network.id} many$`, "m"));
  // Members that share the client's lock, by hard links: nobody else is needed to be alive.
  for (let n = 0; n < 60; n++) {
    const id = `f${n.toString(16).padStart(63, "0")}`;
    execFileSync("ln", [join(dir, "live", client.id), join(dir, "live", id)]);
    writeFileSync(join(dir, network.id, "members", id), `ip 10.9.0.${n + 1}\nname svc\n`);
  }
  assert.equal(lookUp(client, "svc").length, 60);
  const message = query("svc", 1);
  const reply = await rawUdp(client, message);
  assert.ok(reply.length <= 512);
  assert.equal(reply[2]! & 2, 2, "TC");
});

test("what nobody here is called goes to the host's resolver, on its loopback; over TCP too", async () => {
  const asked = await resolver("127.0.0.53", children);
  const client = await start({ name: "client" });
  assert.deepEqual(lookUp(client, "www.example.org"), ["198.51.100.7"]);
  assert.deepEqual(lookUp(client, "big.example.org").length, 100, "a long answer comes over TCP");
  for (let left = 100; asked.size < 3 && left > 0; left--) await sleep(20);
  assert.ok(asked.has("udp www.example.org") && asked.has("tcp big.example.org"));
  assert.match(client.plan.resolvConf, /^nameserver 127\.0\.0\.11\nsearch corp\.example\noptions timeout:2 ndots:0\n$/);
  const other = await start({
    name: "other",
    network: { dns: ["127.0.0.99"], dnsSearch: ["."], dnsOptions: ["ndots:3"] },
  });
  assert.equal(other.plan.resolvConf, "nameserver 127.0.0.11\noptions ndots:3\n");
  assert.match(lookUp(other, "www.example.org")[0]!, /^E(SERVFAIL|REFUSED|TIMEOUT)$/);
});

test("an internal network asks nobody else, reaches nothing and publishes nothing", async () => {
  const asked = await resolver("127.0.0.53", children);
  await createNetwork(root, { name: "vault", internal: true });
  const client = await start({ name: "client", networks: ["vault"], network: publish("8080:80") });
  assert.deepEqual(client.plan.ports, []);
  assert.deepEqual(lookUp(client, "secret.example.org"), ["ESERVFAIL"]);
  assert.equal(asked.size, 0);
  assert.throws(() => client.run("busybox", "ping", "-c1", "-W1", OUTSIDE));
});

test("a container may serve DNS itself, on all its addresses", async () => {
  const server = await start({ name: "server" });
  const script = `const s=require("dgram").createSocket("udp4");s.on("message",(m,r)=>s.send("mine",r.port,r.address));
    require("net").createServer().listen(53,"0.0.0.0",()=>s.bind(53,"0.0.0.0",()=>console.log("up")))`;
  const child = await server.serve(process.execPath, "-e", script);
  await once(child.stdout!, "data");
  const client = `const s=require("dgram").createSocket("udp4");s.connect(53,"${server.address}",()=>{s.send("x");s.on("message",(m)=>{console.log(""+m);process.exit()})})`;
  const user = await start({ name: "user" });
  assert.equal(user.run(process.execPath, "-e", client).trim(), "mine");
  assert.deepEqual(lookUp(server, "user"), [user.address]);
});

test("hostile packets are refused or dropped, and the server goes on", async () => {
  const client = await start({ name: "client" });
  const [pid] = client.helperPids;
  const good = query("client", 1);
  let seed = 7;
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8;
  const packets = [
    Buffer.alloc(0),
    Buffer.alloc(11),
    Buffer.alloc(12),
    Buffer.alloc(4000, 0xff),
    Buffer.alloc(4000, 0x3f),
    good.subarray(0, 20),
    Buffer.concat([good, Buffer.alloc(3000, 0xc0)]),
  ];
  for (let n = 0; n < 500; n++) {
    const bytes = Buffer.from(good);
    for (let flips = 1 + (random() % 6); flips > 0; flips--) bytes[random() % bytes.length] = random() & 255;
    packets.push(bytes.subarray(0, random() % 8 === 0 ? random() % bytes.length : bytes.length));
  }
  writeFileSync(join(home, "packets"), packets.map((each) => each.toString("hex")).join("\n"));
  const script = `const s=require("dgram").createSocket("udp4");const lines=require("fs").readFileSync(process.argv[1],"utf8").split("\\n");
    (async()=>{for(const l of lines){s.send(Buffer.from(l,"hex"),53,"127.0.0.11");await new Promise((r)=>setImmediate(r));
      if(l.length>100){const c=require("net").connect(53,"127.0.0.11");c.on("error",()=>{});c.end(Buffer.from(l,"hex"))}}
      setTimeout(()=>process.exit(0),300)})()`;
  client.run(process.execPath, "-e", script, join(home, "packets"));
  assert.deepEqual(lookUp(client, "client"), [client.address]);
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Uid:\t65534\t65534\t65534\t65534$/m);
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^CapPrm:\t0+$/m);
});

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

test("fixed addresses, ranges and gateways", async () => {
  await createNetwork(root, {
    name: "fixed",
    subnet: "10.90.0.0/24",
    gateway: "10.90.0.254",
    ipRange: "10.90.0.128/30",
  });
  const a = await start({ name: "a", networks: ["fixed"] });
  const b = await start({ name: "b", networks: ["fixed"], ipv4: "10.90.0.7" });
  assert.deepEqual([a.address, b.address], ["10.90.0.128", "10.90.0.7"]);
  assert.equal(b.plan.endpoints[0]!.macAddress, "02:42:0a:5a:00:07");
  await assert.rejects(start({ name: "c", networks: ["fixed"], ipv4: "10.90.0.7" }), {
    message: "Address already in use",
  });
  await assert.rejects(start({ name: "c", networks: ["fixed"], ipv4: "10.91.0.7" }), {
    message:
      "invalid config for network fixed: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.91.0.7",
  });
  for (const name of ["c", "d", "e"]) await start({ name, networks: ["fixed"] });
  await assert.rejects(
    start({ name: "f", networks: ["fixed"] }),
    /no available IPv4 addresses on this network's address pools: fixed/,
  );
  await createNetwork(root, { name: "auto" });
  await assert.rejects(
    start({ name: "g", networks: ["auto"], ipv4: "172.18.0.7" }),
    /only when connecting to networks with user configured subnets/,
  );
});

test("a container on two networks has an address, names and neighbours on each", async () => {
  await createNetwork(root, { name: "front" });
  await createNetwork(root, { name: "back", internal: true });
  const db = await start({ name: "db", networks: ["back"] });
  const web = await start({ name: "web", networks: ["front", "back"] });
  const user = await start({ name: "user", networks: ["front"] });
  await echo(db, 5432, "db");
  await echo(web, 80, "web");
  assert.equal(web.run("busybox", "nc", lookUp(web, "db")[0]!, "5432").trim(), "db");
  assert.equal(user.run("busybox", "nc", lookUp(user, "web")[0]!, "80").trim(), "web");
  assert.deepEqual(lookUp(db, "web"), [web.plan.endpoints[1]!.ipAddress]);
  assert.notDeepEqual(lookUp(user, "db"), [db.address]);
  assert.match(web.plan.hosts, new RegExp(`${web.address}\t.*\n${web.plan.endpoints[1]!.ipAddress}\t`));
});

test("networks joined and left while running", async () => {
  const asked = await resolver("127.0.0.53", children);
  await createNetwork(root, { name: "vault", internal: true });
  await createNetwork(root, { name: "front" });
  const web = await start({ name: "web", networks: ["vault"] });
  const user = await start({ name: "user", networks: ["front"] });
  const container = { id: web.id, name: "web", pid: web.pid };
  assert.deepEqual(lookUp(web, "www.example.org"), ["ESERVFAIL"]);
  const endpoint = await connectNetwork(root, { network: "front", aliases: ["www"] }, container);
  assert.deepEqual(lookUp(user, "www"), [endpoint.ipAddress]);
  assert.deepEqual(lookUp(web, "user"), [user.address]);
  assert.deepEqual(lookUp(web, "www.example.org"), ["198.51.100.7"], "it has a way out now");
  assert.ok(asked.size >= 0);
  web.run("busybox", "ping", "-c1", "-W2", OUTSIDE);
  assert.deepEqual(
    endpointsOf(root, web.id).map(({ networkName }) => networkName),
    ["vault", "front"],
  );
  assert.deepEqual(
    networkMembers(root, endpoint.networkId)
      .map(({ containerName }) => containerName)
      .toSorted(),
    ["user", "web"],
  );
  await assert.rejects(connectNetwork(root, { network: "front", aliases: [] }, container), {
    message: "endpoint with name web already exists in network front",
  });
  await disconnectNetwork(root, "vault", container);
  assert.equal(endpointsOf(root, web.id).length, 1);
  await disconnectNetwork(root, "front", container);
  assert.notDeepEqual(lookUp(user, "www"), [endpoint.ipAddress]);
  assert.throws(() => web.run("ip", "-4", "route", "get", OUTSIDE));
  await assert.rejects(disconnectNetwork(root, "front", container), {
    message: `container ${web.id} is not connected to network front`,
  });
  await connectNetwork(root, { network: "front", aliases: [] }, container);
  web.run("busybox", "ping", "-c1", "-W2", OUTSIDE);
});

test("rules that a firewall swept away come back, and a new name is found at once", async () => {
  const web = await start({ name: "web", network: publish("8080:80") });
  execFileSync("iptables", ["-F", "FORWARD"]);
  const filter = join(root, "networks", web.plan.endpoints[0]!.networkId, "filter");
  utimesSync(filter, 1, 1);
  const user = await start({ name: "user" });
  assert.ok(
    leftovers().some((line) => line.startsWith("-A FORWARD")),
    leftovers().join("\n"),
  );
  await renameInNetworks(root, web.id, "shop");
  assert.deepEqual(lookUp(user, "shop"), [web.address]);
  assert.notDeepEqual(lookUp(user, "web"), [web.address]);
});

test("subnets stay away from the host's routes, and from each other's", async () => {
  ip("link add busy0 type bridge");
  ip("address add 172.17.5.1/24 dev busy0");
  ip("link set busy0 up");
  const one = await createNetwork(root, { name: "one" });
  const two = await createNetwork(root, { name: "two" });
  const bridge = await start({ name: "x" });
  const used = [one.subnet, two.subnet, `${bridge.plan.endpoints[0]!.gateway.split(".").slice(0, 2).join(".")}.0.0/16`];
  assert.equal(new Set(used).size, 3);
  assert.ok(!used.includes("172.17.0.0/16"), String(used));
  // A route that comes later moves a network that nobody chose the place of.
  ip(`address add ${one.subnet.replace(".0.0/16", ".9.1/24")} dev busy0`);
  const moved = await start({ name: "y", networks: ["one"] });
  assert.notEqual(moved.plan.endpoints[0]!.gateway, one.gateway);
  await createNetwork(root, { name: "given", subnet: "10.77.0.0/16" });
  ip("address add 10.77.3.1/24 dev busy0");
  await assert.rejects(start({ name: "z", networks: ["given"] }), {
    message: "Pool overlaps with other one on this address space",
  });
  ip("link del busy0");
});

test("kill -9 leaves nothing once the next command has looked", async () => {
  await createNetwork(root, { name: "shop" });
  const web = await start({ name: "web", networks: ["shop"], network: publish("8080:80") });
  const db = await start({ name: "db", networks: ["shop"] });
  assert.ok(leftovers().length > 0);
  await web.kill();
  await assert.rejects(
    removeNetwork(root, "shop"),
    /error while removing network: network shop id [0-9a-f]{64} has active endpoints/,
  );
  await sweepNetworks(root);
  assert.ok(!leftovers().some((line) => line.includes("SWP")), "rules of its ports");
  assert.deepEqual(lookUp(db, "db"), [db.address], "the neighbour goes on");
  const again = await start({ name: "web", networks: ["shop"], network: publish("8080:80") });
  assert.equal(again.address, web.address, "its address is free again");
  await again.kill();
  await db.kill();
  await sweepNetworks(root);
  assert.deepEqual(leftovers(), []);
  await removeNetwork(root, "shop");
  assert.deepEqual(
    listNetworks(root).map(({ name }) => name),
    ["bridge", "host", "none"],
  );
});

test("bridges and rules whose records are gone are found by their mark; another root's stay", async () => {
  const network = await createNetwork(root, { name: "lost" });
  const web = await start({ name: "web", networks: ["lost"], network: publish("8080:80") });
  await web.kill();
  rmSync(join(root, "networks", network.id), { recursive: true });
  rmSync(join(root, "networks", "scripts"), { recursive: true });
  rmSync(join(root, "networks", "attached"), { recursive: true });
  const other = mkdtempSync(join(home, "other-"));
  mkdirSync(join(other, "networks"));
  await sweepNetworks(other, { thorough: true });
  assert.equal(leftovers().filter((line) => /^-A (FORWARD|POSTROUTING|PREROUTING)|^\d+: sw-/.test(line)).length, 4);
  await sweepNetworks(root);
  assert.deepEqual(leftovers(), []);
});

test("a command that is killed while it plans a start leaves nothing", async () => {
  const script = `import { planNetwork } from ${JSON.stringify(join(import.meta.dirname, "../../src/running/networks/index.ts"))};
    const endpoints = [{ network: "bridge", aliases: [] }];
    const ports = [{ hostIp: "", hostPort: "8080", containerPort: 80, protocol: "tcp" }];
    const request = { mode: { kind: "networks", endpoints }, ports, publishAll: false, exposed: [], dns: [], dnsSearch: [], dnsOptions: [], extraHosts: [] };
    globalThis.plan = await planNetwork(request, { root: process.argv[1], containerId: "c".repeat(64), containerName: "lost", hostname: "lost", domainname: "" });
    console.log("planned");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, root], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  await assert.rejects(
    start({ name: "other", network: publish("8080:80") }),
    /port is already allocated/,
    "its claim holds",
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  await sweepNetworks(root);
  assert.deepEqual(leftovers(), []);
  await start({ name: "other", network: publish("8080:80") });
});

test("what doctor finds here", async () => {
  const findings = await networkFindings();
  assert.deepEqual(
    findings.map(({ area, state }) => `${area} ${state}`),
    ["bridges good", "netfilter good", "forwarding good"],
  );
  assert.deepEqual(leftovers(), []);
});

test("a start that fails is forgotten", async () => {
  await assert.rejects(start({ name: "x", networks: ["nowhere"] }), { message: "network nowhere not found" });
  await assert.rejects(start({ name: "x", network: { extraHosts: ["nonsense"] } }), {
    message: 'bad format for add-host: "nonsense"',
  });
  await leaveNetworks(root, "0".repeat(64));
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
      leftovers().filter((line) => line.includes("SW")),
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
