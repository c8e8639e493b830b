// What travels beside the messages of a call. Names are lower-case; a name may have several values, and they stay apart: file sync
// sends one header line a pattern. Spec: gRPC over HTTP/2, Custom-Metadata.

/** HTTP/2's own and gRPC's reserved headers: never part of a call's metadata. */
const RESERVED = new Set(["content-type", "te", "grpc-timeout", "grpc-status", "grpc-message", "grpc-encoding"]);

export class Metadata {
  readonly #values = new Map<string, string[]>();

  constructor(values: Readonly<Record<string, string | readonly string[]>> = {}) {
    for (const [name, value] of Object.entries(values)) {
      this.append(name, ...(typeof value === "string" ? [value] : value));
    }
  }

  /** From header lines as they came: name, value, name, value. Reserved ones and pseudo-headers are left out. */
  static fromRawHeaders(raw: readonly string[]): Metadata {
    const metadata = new Metadata();
    for (let index = 0; index + 1 < raw.length; index += 2) {
      const name = raw[index]!.toLowerCase();
      if (!name.startsWith(":") && !RESERVED.has(name)) metadata.append(name, raw[index + 1]!);
    }
    return metadata;
  }

  /** The first value. */
  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase())?.[0];
  }

  getAll(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  /** The bytes of a "-bin" name's first value. */
  getBinary(name: string): Uint8Array | undefined {
    const text = this.get(name);
    return text === undefined ? undefined : Buffer.from(text, "base64");
  }

  set(name: string, ...values: readonly string[]): void {
    this.#values.delete(name.toLowerCase());
    this.append(name, ...values);
  }

  append(name: string, ...values: readonly string[]): void {
    if (values.length === 0) return;
    const key = name.toLowerCase();
    const present = this.#values.get(key);
    if (present) present.push(...values);
    else this.#values.set(key, [...values]);
  }

  /** Every value with its name; names in the order of their first value. */
  *entries(): Iterable<[string, string]> {
    for (const [name, values] of this.#values) for (const value of values) yield [name, value];
  }

  /** For node:http2, which writes a line for each element of an array. */
  toHeaders(): Record<string, string | string[]> {
    return Object.fromEntries(
      [...this.#values].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
    );
  }
}
