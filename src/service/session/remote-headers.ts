// How lists of text travel as metadata of the session's calls: plain, or all percent-encoded where one is not ASCII.
// Counterpart: moby/buildkit session/filesync/filesync.go encodeOpts.

import type { Metadata } from "../../system/rpc/index.ts";

// oxlint-disable-next-line no-control-regex
const NOT_PLAIN = /[^\u0000-\u007f]/;

/** Sets a list under a name; an empty one sets nothing. */
export function setList(metadata: Metadata, name: string, values: readonly string[]): void {
  if (values.length === 0) return;
  if (!values.some((value) => NOT_PLAIN.test(value))) {
    metadata.set(name, ...values);
    return;
  }
  metadata.set(name, ...values.map(queryEscape));
  metadata.set(`${name}-encoded`, "1");
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
