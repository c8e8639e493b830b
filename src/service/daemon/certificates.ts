// Certificates for mutual TLS, made here: an authority of one's own, and what it signs for a server and for clients. ECDSA on P-256.
// Spec: RFC 5280, X.690 (DER).

import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

export interface Issued {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly use: "server" | "client";
  /** Names and addresses that a server is reached by. */
  readonly hosts?: readonly string[];
  readonly days: number;
}

/** A certificate authority. Whoever has its key decides who may build. */
export class Authority {
  readonly certificate: string;
  readonly key: string;
  readonly #private: KeyObject;
  readonly #name: Buffer;

  private constructor(certificate: string, key: KeyObject, name: Buffer) {
    this.certificate = certificate;
    this.key = key.export({ type: "pkcs8", format: "pem" }) as string;
    this.#private = key;
    this.#name = name;
  }

  /** A new one. */
  static create(commonName: string, days: number): Authority {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const name = nameOf(commonName);
    const extensions = [
      extension("2.5.29.19", true, sequence(boolean(true))),
      // keyCertSign and cRLSign.
      extension("2.5.29.15", true, bitFlags(0b0000_0110)),
    ];
    const der = signed({ issuer: name, subject: name, key: privateKey, issuerKey: privateKey, extensions, days });
    return new Authority(pem("CERTIFICATE", der), privateKey, name);
  }

  /** One that was made before by {@link create}, with the same name. */
  static from(certificate: string, key: KeyObject, commonName: string): Authority {
    return new Authority(certificate, key, nameOf(commonName));
  }

  issue(request: CertificateRequest): Issued {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const purpose = request.use === "server" ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2";
    const hosts = request.hosts ?? [];
    const der = signed({
      issuer: this.#name,
      subject: nameOf(request.commonName),
      key: privateKey,
      issuerKey: this.#private,
      days: request.days,
      extensions: [
        extension("2.5.29.19", true, sequence()),
        extension("2.5.29.15", true, bitFlags(0b1000_0000)),
        extension("2.5.29.37", false, sequence(oid(purpose))),
        ...(hosts.length === 0 ? [] : [extension("2.5.29.17", false, sequence(...hosts.map(generalName)))]),
      ],
    });
    return {
      certificate: pem("CERTIFICATE", der),
      key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
  }
}

interface Certificate {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly key: KeyObject;
  readonly issuerKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly days: number;
}

function signed({ issuer, subject, key, issuerKey, extensions, days }: Certificate): Buffer {
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
  const spki = publicDer(key);
  const now = Date.now();
  // Clocks differ: it counts from a little before.
  const validity = sequence(time(now - 3600_000), time(now + days * 86_400_000));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const ids = [
    extension("2.5.29.14", false, octets(keyId(spki))),
    extension("2.5.29.35", false, sequence(tagged(0x80, keyId(publicDer(issuerKey))))),
  ];
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.of(2))),
    tagged(0x02, serial),
    algorithm,
    issuer,
    validity,
    subject,
    spki,
    tagged(0xa3, sequence(...extensions, ...ids)),
  );
  return sequence(body, algorithm, bits(sign("sha256", body, issuerKey)));
}

function publicDer(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" });
}

function keyId(spki: Buffer): Buffer {
  return createHash("sha1").update(spki).digest();
}

function nameOf(commonName: string): Buffer {
  const attribute = (type: string, text: string) => tagged(0x31, sequence(oid(type), tagged(0x0c, Buffer.from(text))));
  return sequence(attribute("2.5.4.10", "slipway"), attribute("2.5.4.3", commonName));
}

function generalName(host: string): Buffer {
  if (isIPv4(host)) return tagged(0x87, Buffer.from(host.split(".").map(Number)));
  if (isIPv6(host)) return tagged(0x87, ipv6Bytes(host));
  return tagged(0x82, Buffer.from(host, "latin1"));
}

function ipv6Bytes(text: string): Buffer {
  const [head = "", tail] = text.replace(/%.*$/, "").split("::");
  const groups = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .flatMap((each) => {
        if (!each.includes(".")) return [Number.parseInt(each, 16)];
        const [a = 0, b = 0, c = 0, d = 0] = each.split(".").map(Number);
        return [a * 256 + b, c * 256 + d];
      });
  const [before, after] = [groups(head), groups(tail ?? "")];
  const all =
    tail === undefined ? before : [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return Number(text.slice(0, 4)) < 2050
    ? tagged(0x17, Buffer.from(`${text.slice(2)}Z`))
    : tagged(0x18, Buffer.from(`${text}Z`));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes: number[] = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.of(value ? 0xff : 0));
}

function bits(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.of(0), bytes]));
}

/** Flags of one byte, the first being the highest bit. */
function bitFlags(flags: number): Buffer {
  const unused = Math.clz32(flags & -flags) === 32 ? 0 : 31 - Math.clz32(flags & -flags);
  return tagged(0x03, Buffer.of(unused, flags));
}

function octets(bytes: Buffer): Buffer {
  return tagged(0x04, bytes);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function tagged(tag: number, body: Buffer): Buffer {
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...size), body]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
