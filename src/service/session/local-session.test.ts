import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { openLocalSession } from "./local-session.ts";
import { readPrivateKey } from "../ssh-keys/index.ts";
import { SshReader, sshString, sshUint32 } from "../ssh-keys/index.ts";

const dir = mkdtempSync(join(tmpdir(), "slipway-session-"));
after(() => rmSync(dir, { recursive: true, force: true }));

const none = { dirs: new Map<string, string>(), secrets: [], ssh: [], outputs: [], env: {} };

suite("the local session", () => {
  test("folders and outputs by name and index; a new id each time", async () => {
    const target = { kind: "file", path: "/x" } as const;
    await using one = await openLocalSession({
      ...none,
      dirs: new Map([["context", "/c"]]),
      outputs: [undefined, target],
    });
    await using two = await openLocalSession(none);
    assert.equal((await one.localDir("context"))?.path, "/c");
    assert.equal(await one.localDir("dockerfile"), undefined);
    assert.deepEqual([one.output(0), one.output(1), one.output(2)], [undefined, target, undefined]);
    assert.match(one.id, /^[0-9a-z]{25}$/);
    assert.notEqual(one.id, two.id);
  });

  test("secrets that can't be read are named before the build", async () => {
    const big = join(dir, "big");
    writeFileSync(big, "");
    truncateSync(big, 500 * 1024 + 1);
    const code = (expected: string) => (error: unknown) => (error as { code: string }).code === expected;
    await assert.rejects(openLocalSession({ ...none, secrets: [{ id: "" }] }), code("SECRET_WITHOUT_ID"));
    await assert.rejects(openLocalSession({ ...none, secrets: [{ id: "x" }] }), code("SECRET_UNREADABLE"));
    await assert.rejects(openLocalSession({ ...none, secrets: [{ id: "x", file: big }] }), code("SECRET_TOO_BIG"));
    await using session = await openLocalSession({ ...none, secrets: [{ id: "x", env: "NOPE" }] });
    assert.equal((await session.secret("x"))?.length, 0);
  });

  test("a socket is handed on as it is", async () => {
    const socket = join(dir, "agent.sock");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      await using session = await openLocalSession({
        ...none,
        ssh: [
          { id: "", paths: [] },
          { id: "b", paths: [socket] },
        ],
        env: { SSH_AUTH_SOCK: socket },
      });
      assert.equal(await session.sshAgent(""), socket);
      assert.equal(await session.sshAgent("default"), socket);
      assert.equal(await session.sshAgent("b"), socket);
      assert.equal(await session.sshAgent("c"), undefined);
      await assert.rejects(
        openLocalSession({
          ...none,
          ssh: [
            { id: "a", paths: [socket] },
            { id: "a", paths: [socket] },
          ],
        }),
        /duplicate agent ID "a"/,
      );
    } finally {
      server.close();
    }
  });
});

const kinds = [
  ["ed25519", () => generateKeyPairSync("ed25519")],
  ["rsa", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["ecdsa", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
] as const;

suite("keys", () => {
  for (const [name, make] of kinds) {
    test(`${name}: an agent of our own lists and signs, then is gone`, async () => {
      const { privateKey, publicKey } = make();
      const file = join(dir, name);
      writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
      let socket = "";
      {
        await using session = await openLocalSession({ ...none, ssh: [{ id: "default", paths: [file] }] });
        socket = (await session.sshAgent("default"))!;
        const list = new SshReader((await ask(socket, Buffer.from([11]))).subarray(1));
        assert.equal(list.uint32(), 1);
        const blob = list.string();
        const data = Buffer.from("sign me");
        const answer = await ask(
          socket,
          Buffer.concat([Buffer.from([13]), sshString(blob), sshString(data), sshUint32(4)]),
        );
        assert.equal(answer[0], 14);
        const signature = new SshReader(new SshReader(answer.subarray(1)).string());
        const type = signature.string().toString();
        const bytes = signature.string();
        if (name === "ed25519") assert.ok(type === "ssh-ed25519" && verify(null, data, publicKey, bytes));
        if (name === "rsa") assert.ok(type === "rsa-sha2-512" && verify("sha512", data, publicKey, bytes));
        if (name === "ecdsa") {
          const pair = new SshReader(bytes);
          const [r, s] = [pair.string(), pair.string()].map((part) =>
            Buffer.concat([Buffer.alloc(32), part]).subarray(-32),
          );
          assert.ok(verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, Buffer.concat([r!, s!])));
        }
        assert.deepEqual(await ask(socket, Buffer.from([17])), Buffer.from([5]));
        assert.deepEqual(
          await ask(socket, Buffer.concat([Buffer.from([13]), sshString("unknown"), sshString(data), sshUint32(0)])),
          Buffer.from([5]),
        );
      }
      assert.equal(existsSync(socket), false);
    });
  }

  test("OpenSSH's own format, where ssh-keygen is at hand", (t) => {
    for (const type of ["ed25519", "rsa", "ecdsa"]) {
      const file = join(dir, `openssh-${type}`);
      try {
        execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", file]);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
        t.diagnostic("ssh-keygen is not installed: the format was not tried");
        return;
      }
      const listed = execFileSync("ssh-keygen", ["-y", "-f", file], { encoding: "utf8" }).split(" ")[1]!;
      assert.equal(
        readPrivateKey(execFileSync("cat", [file], { encoding: "utf8" })).blob.toString("base64"),
        listed.trim(),
      );
    }
  });

  test("OpenSSH's own format, made here", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const jwk = privateKey.export({ format: "jwk" });
    const [x, d] = [jwk.x, jwk.d].map((part) => Buffer.from(part!, "base64url")) as [Buffer, Buffer];
    const blob = Buffer.concat([sshString("ssh-ed25519"), sshString(x)]);
    const inner = Buffer.concat([
      sshUint32(7),
      sshUint32(7),
      sshString("ssh-ed25519"),
      sshString(x),
      sshString(Buffer.concat([d, x])),
      sshString("me"),
    ]);
    const file = (cipher: string) =>
      Buffer.concat([
        Buffer.from("openssh-key-v1\0"),
        sshString(cipher),
        sshString("none"),
        sshString(""),
        sshUint32(1),
        sshString(blob),
        sshString(inner),
      ]);
    const pem = (bytes: Buffer) =>
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END OPENSSH PRIVATE KEY-----\n`;
    const key = readPrivateKey(pem(file("none")));
    assert.deepEqual(key.blob, blob);
    const signature = new SshReader(key.sign(Buffer.from("x"), 0));
    signature.string();
    assert.ok(verify(null, Buffer.from("x"), createPublicKey(privateKey), signature.string()));
    assert.throws(() => readPrivateKey(pem(file("aes256-ctr"))), /protected by a passphrase/);
    assert.throws(() => readPrivateKey(pem(Buffer.from("short"))), /not an OpenSSH private key/);
    assert.throws(() => readPrivateKey(pem(file("none").subarray(0, 60))), /ends early/);
  });
});

/** One request to an agent. */
function ask(socket: string, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const client = connect(socket);
    let got = Buffer.alloc(0);
    client.on("error", reject);
    client.on("data", (chunk) => {
      got = Buffer.concat([got, Buffer.from(chunk as Uint8Array)]);
      if (got.length < 4 || got.length < 4 + got.readUInt32BE(0)) return;
      client.end();
      resolve(got.subarray(4));
    });
    client.write(sshString(message));
  });
}
