// URLs cut the way Go's net/url does it: nothing is normalised, so what users wrote stays recognisable in ops.
// Counterpart: Go net/url.

export interface GoUrl {
  readonly scheme: string;
  /** User info, "" without. */
  readonly user: string;
  readonly host: string;
  /** Decoded path. */
  readonly path: string;
  readonly rawPath: string;
  readonly rawQuery: string;
  /** Decoded fragment. */
  readonly fragment: string;
}

/** The parts of a URL; undefined when Go would refuse it. */
export function tryParseUrl(text: string): GoUrl | undefined {
  // eslint-disable-next-line no-control-regex -- Go refuses control characters
  if (/[\x00-\x1f\x7f]/.test(text)) return undefined;
  const hash = text.indexOf("#");
  const beforeHash = hash < 0 ? text : text.slice(0, hash);
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(beforeHash);
  let rest = scheme === null ? beforeHash : beforeHash.slice(scheme[0].length);
  if (scheme === null && rest.startsWith(":")) return undefined;
  const question = rest.indexOf("?");
  const rawQuery = question < 0 ? "" : rest.slice(question + 1);
  if (question >= 0) rest = rest.slice(0, question);
  let authority = "";
  if (rest.startsWith("//")) {
    const slash = rest.indexOf("/", 2);
    authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    rest = slash < 0 ? "" : rest.slice(slash);
  }
  const at = authority.lastIndexOf("@");
  const host = at < 0 ? authority : authority.slice(at + 1);
  const path = unescape(rest);
  const fragment = unescape(hash < 0 ? "" : text.slice(hash + 1));
  if (path === undefined || fragment === undefined || !isHost(host)) return undefined;
  return {
    scheme: scheme === null ? "" : scheme[1]!.toLowerCase(),
    user: at < 0 ? "" : authority.slice(0, at),
    host,
    path,
    rawPath: rest,
    rawQuery,
    fragment,
  };
}

function isHost(host: string): boolean {
  if (/[\s<>"\\^`{|}]/.test(host)) return false;
  const port = /:([^:\]]*)$/.exec(host);
  return port === null || /^\d*$/.test(port[1]!);
}

/** The URL without query and fragment. */
export function urlWithoutOptions(url: GoUrl): string {
  const user = url.user === "" ? "" : `${url.user}@`;
  const start = url.scheme === "" ? "" : `${url.scheme}:`;
  const authority = url.host !== "" || url.user !== "" || url.scheme !== "" ? `//${user}${url.host}` : "";
  return `${start}${authority}${url.rawPath}`;
}

/** Query parameters in order; undefined when one cannot be decoded. */
export function parseQuery(rawQuery: string): Map<string, string[]> | undefined {
  const values = new Map<string, string[]>();
  for (const pair of rawQuery.split("&")) {
    if (pair === "" || pair.includes(";")) continue;
    const equals = pair.indexOf("=");
    const key = unescape((equals < 0 ? pair : pair.slice(0, equals)).replaceAll("+", " "));
    const value = unescape((equals < 0 ? "" : pair.slice(equals + 1)).replaceAll("+", " "));
    if (key === undefined || value === undefined) continue;
    const known = values.get(key);
    if (known === undefined) values.set(key, [value]);
    else known.push(value);
  }
  return values;
}

function unescape(text: string): string | undefined {
  if (!text.includes("%")) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
