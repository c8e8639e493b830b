// `WWW-Authenticate` headers: schemes and their parameters. Spec: RFC 9110 section 11.6.1; distribution-spec token authentication.

export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const PARAMETER = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;

/** The challenges of a response, in order; what can't be read is left out. */
export function parseChallenges(header: string | string[] | undefined): readonly Challenge[] {
  const texts = header === undefined ? [] : Array.isArray(header) ? header : [header];
  return texts.flatMap((text) => parseOne(text.slice(0, 8192)));
}

function parseOne(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  while (at < text.length) {
    while (/[\s,]/.test(text[at] ?? "")) at++;
    TOKEN.lastIndex = at;
    const scheme = TOKEN.exec(text)?.[0];
    if (scheme === undefined) return challenges;
    at += scheme.length;
    const parameters = new Map<string, string>();
    for (;;) {
      PARAMETER.lastIndex = at;
      const match = PARAMETER.exec(text);
      if (match === null) break;
      at = PARAMETER.lastIndex;
      parameters.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/gs, "$1") ?? match[3] ?? "");
    }
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
  return challenges;
}
