// Names, addresses, several networks at once, and what the dead leave: on real bridges with real rules and DNS. Started by networks.test.ts.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  connectNetwork,
  createNetwork,
  disconnectNetwork,
  endpointsOf,
  leaveNetworks,
  listNetworks,
  networkFindings,
  networkMembers,
  removeNetwork,
  sweepNetworks,
} from "../../src/running/networks/index.ts";
import { lookUp, query, rawUdp, resolver } from "./dns-tools.ts";
import { children, echo, home, ip, OUTSIDE, publish, root, start } from "./network-house.ts";
import { assertNothingLeft, networkLeftovers } from "./network-leftovers.ts";
import { Member } from "./network-members.ts";

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
  assert.ok(networkLeftovers().length > 0);
  await web.kill();
  await assert.rejects(
    removeNetwork(root, "shop"),
    /error while removing network: network shop id [0-9a-f]{64} has active endpoints/,
  );
  await sweepNetworks(root);
  assert.ok(!networkLeftovers().some((line) => line.includes("SWP")), "rules of its ports");
  assert.deepEqual(lookUp(db, "db"), [db.address], "the neighbour goes on");
  const again = await start({ name: "web", networks: ["shop"], network: publish("8080:80") });
  assert.equal(again.address, web.address, "its address is free again");
  await again.kill();
  await db.kill();
  await sweepNetworks(root);
  await assertNothingLeft(networkLeftovers);
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
  assert.equal(
    networkLeftovers().filter((line) => /^-A (FORWARD|POSTROUTING|PREROUTING)|^\d+: sw-/.test(line)).length,
    4,
  );
  await sweepNetworks(root);
  await assertNothingLeft(networkLeftovers);
});

test("what a state root that is gone has left goes too, but no bridge that wires lead to", async () => {
  const lost = mkdtempSync(join(home, "lost '"));
  const planned = await Member.start(lost, process.env["SLIPWAY_NET_HELPER"]!, { name: "lost" });
  const bridge = () => networkLeftovers().some((line) => /^\d+: sw-/.test(line));
  mkdirSync(join(root, "networks"), { recursive: true });
  try {
    renameSync(lost, `${lost}.away`);
    await sweepNetworks(root);
    assert.ok(bridge(), "somebody lives there");
  } finally {
    renameSync(`${lost}.away`, lost);
    await planned.kill();
  }
  rmSync(lost, { recursive: true });
  const wires = () => execFileSync("ip", ["-o", "link"], { encoding: "utf8" }).includes("swv-");
  for (let left = 100; wires() && left > 0; left--) await sleep(20);
  await sweepNetworks(root);
  await assertNothingLeft(networkLeftovers);
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
  await assertNothingLeft(networkLeftovers);
  await start({ name: "other", network: publish("8080:80") });
});

test("what doctor finds here", async () => {
  const findings = await networkFindings();
  assert.deepEqual(
    findings.map(({ area, state }) => `${area} ${state}`),
    ["bridges good", "netfilter good", "forwarding good"],
  );
  await assertNothingLeft(networkLeftovers);
});

test("a start that fails is forgotten", async () => {
  await assert.rejects(start({ name: "x", networks: ["nowhere"] }), { message: "network nowhere not found" });
  await assert.rejects(start({ name: "x", network: { extraHosts: ["nonsense"] } }), {
    message: 'bad format for add-host: "nonsense"',
  });
  await leaveNetworks(root, "0".repeat(64));
});
