// Bytes of a source file as JavaScript strings without loss: an invalid UTF-8 byte B becomes the lone surrogate U+DC00+B,
// which no valid text contains. Go strings are bytes, and BuildKit's rules see them, so this is where the two meet.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8, keeping invalid bytes as lone surrogates U+DC80 to U+DCFF. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

function decodeLossless(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    if (length === 0) parts.push(String.fromCharCode(0xdc00 + bytes[at++]!));
    else {
      parts.push(decoder.decode(bytes.subarray(at, at + length)));
      at += length;
    }
  }
  return parts.join("");
}

// The length of the valid sequence at a position, or 0.
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  for (let next = 1; next < length; next++) if ((bytes[at + next]! & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1]!;
  if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0;
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0;
  return length;
}

/** The bytes that {@link decodeText} made a text from. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  if (text.isWellFormed()) return new TextEncoder().encode(text);
  const parts: Buffer[] = [];
  for (const char of text) {
    const code = char.codePointAt(0)!;
    parts.push(code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char));
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Cuts at the first separator; without one, `after` is "" and `found` false. */
export function cut(text: string, separator: string): { before: string; after: string; found: boolean } {
  const at = text.indexOf(separator);
  if (at < 0) return { before: text, after: "", found: false };
  return { before: text.slice(0, at), after: text.slice(at + separator.length), found: true };
}

/** Whether two texts are equal but for case. */
export function equalFold(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}

const WHITESPACE = /[\t\v\f\r ]+/;

/** Splits at the first run of tabs, spaces, form feeds, carriage returns. */
export function splitOnce(text: string): string[] {
  const match = WHITESPACE.exec(text);
  return match === null ? [text] : [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}

/** Splits at every run of tabs, spaces, form feeds, carriage returns. */
export function splitAll(text: string): string[] {
  return text.split(/[\t\v\f\r ]+/);
}
