// JSON kept as the text it came as. An image config passes through with all that we don't know of it: numbers beyond 2^53, key
// order inside objects, repeated keys. Written as Go's encoding/json writes json.RawMessage, so that digests agree.

import { BuildError } from "../../base/index.ts";

const STRING_OR_SPACE = /"[^"\\]*(?:\\.[^"\\]*)*"|[ \t\r\n]+/g;

/** Valid JSON without spaces, and with the characters escaped that Go escapes. @throws INVALID_IMAGE when it is no JSON. */
export function compactJson(bytes: Uint8Array, what: string): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
  } catch (error) {
    throw new BuildError(`${what} is not valid JSON`, {
      code: "INVALID_IMAGE",
      status: "InvalidArgument",
      cause: error,
    });
  }
  return text.replace(STRING_OR_SPACE, (token) =>
    token.startsWith('"')
      ? token.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
      : "",
  );
}

/** The fields of a compact JSON object, each value as its text; of repeated keys the last wins. Undefined for anything else. */
export function objectFields(compact: string): Map<string, string> | undefined {
  if (!compact.startsWith("{")) return undefined;
  const fields = new Map<string, string>();
  let at = 1;
  while (compact[at] === '"') {
    const keyEnd = endOfValue(compact, at);
    const valueEnd = endOfValue(compact, keyEnd + 1);
    fields.set(JSON.parse(compact.slice(at, keyEnd)) as string, compact.slice(keyEnd + 1, valueEnd));
    at = valueEnd + 1;
  }
  return fields;
}

/** Compact JSON as Go's MarshalIndent lays it out with two spaces. */
export function indentJson(compact: string): string {
  const parts: string[] = [];
  let depth = 0;
  const newLine = (): void => void parts.push("\n", "  ".repeat(depth));
  for (let at = 0; at < compact.length; at++) {
    const c = compact[at]!;
    if (c === '"') {
      const end = endOfString(compact, at);
      parts.push(compact.slice(at, end));
      at = end - 1;
    } else if (c === "{" || c === "[") {
      parts.push(c);
      const next = compact[at + 1];
      if (next === "}" || next === "]") {
        parts.push(next);
        at++;
      } else {
        depth++;
        newLine();
      }
    } else if (c === "}" || c === "]") {
      depth--;
      newLine();
      parts.push(c);
    } else if (c === ",") {
      parts.push(c);
      newLine();
    } else parts.push(c === ":" ? ": " : c);
  }
  return parts.join("");
}

/** Where the value that starts at `start` ends. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const c = text[at]!;
    if (c === '"') {
      at = endOfString(text, at) - 1;
    } else if (c === "{" || c === "[") {
      depth++;
      continue;
    } else if (c === "}" || c === "]") {
      if (depth === 0) return at;
      depth--;
    } else if (c === "," || c === ":") {
      if (depth === 0) return at;
      continue;
    } else continue;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}
