// File names are bytes, not text. A ByteString holds one byte per character (latin-1), so it sorts by bytes with `<`, serves as a
// Map key and costs nothing for ASCII; it is turned into what `node:fs` takes only at the call.

/** A string with one byte per character: a file name or path exactly as the kernel has it. */
export type ByteString = string & { readonly __brand?: "ByteString" };

// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\u0000-\u007f]/;

/** The bytes of text's UTF-8. */
export function byteString(text: string): ByteString {
  return NOT_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** The text whose UTF-8 the bytes are; invalid sequences become U+FFFD. For messages, not for opening files. */
export function textOf(bytes: ByteString): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

/** The same bytes as what `node:fs` functions take. */
export function fsPath(bytes: ByteString): string | Buffer {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, "latin1") : bytes;
}

/** The bytes themselves. */
export function bytesOf(bytes: ByteString): Buffer {
  return Buffer.from(bytes, "latin1");
}
