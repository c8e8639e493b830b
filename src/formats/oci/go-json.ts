// JSON as Go's encoding/json writes it: no spaces, maps sorted by key, and `<`, `>`, `&`, U+2028 and U+2029 escaped. Image configs
// and manifests made by us then have the digests that BuildKit's would have.

/**
 * The text of a value. Objects keep the order of their keys, as Go's structs do, and drop undefined fields; a Map is written sorted
 * by key, as Go's maps are. Bigints become numbers, bytes base64.
 */
export function goJson(value: unknown): string {
  return encode(value) ?? "null";
}

/** A string as Go's `%q` writes it. */
export function goQuote(text: string): string {
  return JSON.stringify(text.toWellFormed())
    .replace(/\\u00([0-9a-f]{2})/g, "\\x$1")
    .replace(/[\u007f]/g, "\\x7f")
    .replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (c) => {
      const hex = c.codePointAt(0)!.toString(16);
      return hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
    });
}

function encode(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return encodeString(value);
    case "number":
      if (!Number.isFinite(value)) throw new Error(`no JSON for ${value}`);
      return String(value);
    case "bigint":
    case "boolean":
      return String(value);
    case "undefined":
      return undefined;
    case "object":
      return value === null ? "null" : encodeObject(value);
    default:
      throw new Error(`no JSON for a ${typeof value}`);
  }
}

function encodeObject(value: object): string {
  if (Array.isArray(value)) return `[${value.map((item) => encode(item) ?? "null").join(",")}]`;
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  const entries: [string, unknown][] =
    value instanceof Map
      ? [...(value as Map<string, unknown>)].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      : Object.entries(value);
  const fields = entries.flatMap(([key, item]) => {
    const text = encode(item);
    return text === undefined ? [] : [`${encodeString(key)}:${text}`];
  });
  return `{${fields.join(",")}}`;
}

function encodeString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
