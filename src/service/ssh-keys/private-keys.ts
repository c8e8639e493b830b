// Private SSH keys from files: PEM (PKCS #1, PKCS #8, SEC 1) and OpenSSH's own format, unencrypted. Each becomes the public key blob
// that agents list and a signing function. Spec: RFC 4253 section 6.6, RFC 5656, RFC 8332, RFC 8709, openssh PROTOCOL.key.

import { createPrivateKey, createPublicKey, type KeyObject, sign, type webcrypto } from "node:crypto";
import { SshReader, sshString, sshMpint } from "./ssh-wire.ts";

export interface SshKey {
  /** The public key as SSH encodes it. */
  readonly blob: Buffer;
  /** The signature blob over `data`; `flags` are the agent protocol's (2: SHA-256, 4: SHA-512, for RSA). */
  sign(data: Buffer, flags: number): Buffer;
}

const curves = {
  "P-256": { name: "nistp256", hash: "sha256" },
  "P-384": { name: "nistp384", hash: "sha384" },
  "P-521": { name: "nistp521", hash: "sha512" },
} as const;

/** Reads a private key. @throws Error when it is encrypted or no key that is understood. */
export function readPrivateKey(text: string): SshKey {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1];
  const key = body === undefined ? createPrivateKey(text) : openSshKey(Buffer.from(body, "base64"));
  const jwk = createPublicKey(key).export({ format: "jwk" });
  switch (jwk.kty) {
    case "OKP":
      return ed25519(key, number(jwk.x));
    case "RSA":
      return rsa(key, number(jwk.n), number(jwk.e));
    case "EC":
      return ecdsa(key, jwk);
    default:
      throw new Error(`unsupported key type ${jwk.kty}`);
  }
}

function ed25519(key: KeyObject, publicKey: Buffer): SshKey {
  return {
    blob: Buffer.concat([sshString("ssh-ed25519"), sshString(publicKey)]),
    sign: (data) => Buffer.concat([sshString("ssh-ed25519"), sshString(sign(null, data, key))]),
  };
}

function rsa(key: KeyObject, modulus: Buffer, exponent: Buffer): SshKey {
  return {
    blob: Buffer.concat([sshString("ssh-rsa"), sshMpint(exponent), sshMpint(modulus)]),
    sign(data, flags) {
      const [name, hash] =
        (flags & 4) !== 0
          ? ["rsa-sha2-512", "sha512"]
          : (flags & 2) !== 0
            ? ["rsa-sha2-256", "sha256"]
            : ["ssh-rsa", "sha1"];
      return Buffer.concat([sshString(name!), sshString(sign(hash!, data, key))]);
    },
  };
}

function ecdsa(key: KeyObject, jwk: webcrypto.JsonWebKey): SshKey {
  const curve = curves[jwk.crv as keyof typeof curves];
  if (!curve) throw new Error(`unsupported curve ${jwk.crv}`);
  const type = `ecdsa-sha2-${curve.name}`;
  const point = Buffer.concat([Buffer.from([4]), number(jwk.x), number(jwk.y)]);
  return {
    blob: Buffer.concat([sshString(type), sshString(curve.name), sshString(point)]),
    sign(data) {
      const signature = sign(curve.hash, data, { key, dsaEncoding: "ieee-p1363" });
      const half = signature.length / 2;
      const pair = Buffer.concat([sshMpint(signature.subarray(0, half)), sshMpint(signature.subarray(half))]);
      return Buffer.concat([sshString(type), sshString(pair)]);
    },
  };
}

function openSshKey(bytes: Buffer): KeyObject {
  const magic = "openssh-key-v1\0";
  if (bytes.subarray(0, magic.length).toString("latin1") !== magic) throw new Error("not an OpenSSH private key");
  const outer = new SshReader(bytes.subarray(magic.length));
  if (outer.string().toString() !== "none") throw new Error("the key is protected by a passphrase");
  outer.string();
  outer.string();
  if (outer.uint32() !== 1) throw new Error("more than one key in the file");
  outer.string();
  const inner = new SshReader(outer.string());
  if (inner.uint32() !== inner.uint32()) throw new Error("the key is damaged");
  return createPrivateKey({ key: privateJwk(inner), format: "jwk" });
}

function privateJwk(inner: SshReader): webcrypto.JsonWebKey {
  const type = inner.string().toString();
  if (type === "ssh-ed25519") {
    const publicKey = inner.string();
    return { kty: "OKP", crv: "Ed25519", x: text(publicKey), d: text(inner.string().subarray(0, 32)) };
  }
  if (type === "ssh-rsa") {
    const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => unsigned(inner.string())) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    const rest = (prime: Buffer) => text(bytesOf(big(d) % (big(prime) - 1n)));
    return {
      kty: "RSA",
      n: text(n),
      e: text(e),
      d: text(d),
      p: text(p),
      q: text(q),
      dp: rest(p),
      dq: rest(q),
      qi: text(qi),
    };
  }
  const curve = Object.entries(curves).find(([, { name }]) => type === `ecdsa-sha2-${name}`)?.[0];
  if (curve === undefined) throw new Error(`unsupported key type ${type}`);
  inner.string();
  const point = inner.string();
  const size = (point.length - 1) / 2;
  const scalar = unsigned(inner.string());
  const padded = Buffer.concat([Buffer.alloc(Math.max(0, size - scalar.length)), scalar]);
  return {
    kty: "EC",
    crv: curve,
    x: text(point.subarray(1, 1 + size)),
    y: text(point.subarray(1 + size)),
    d: text(padded),
  };
}

function unsigned(bytes: Buffer): Buffer {
  return bytes[0] === 0 ? bytes.subarray(1) : bytes;
}

function big(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`);
}

function bytesOf(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

function text(bytes: Buffer): string {
  return bytes.toString("base64url");
}

function number(field: string | undefined): Buffer {
  return Buffer.from(field ?? "", "base64url");
}
