// `--ulimit name=soft[:hard]`. Counterpart: docker/go-units ulimit.go.

const names = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Reads one limit; -1 is unlimited; the hard limit defaults to the soft one. @throws Error naming what is wrong. */
export function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf("=");
  if (equals < 0) throw new Error(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  if (!names.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const limits = text.slice(equals + 1).split(":");
  if (limits.length > 2) {
    throw new Error(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const [soft, hard] = [limits[0]!, limits[1] ?? limits[0]!].map((limit) => {
    if (!/^[+-]?\d+$/.test(limit))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(limit)}: invalid syntax`);
    return Number(limit);
  }) as [number, number];
  if (hard !== -1) {
    const rule = "ulimit soft limit must be less than or equal to hard limit";
    if (soft === -1) throw new Error(`${rule}: soft: -1 (unlimited), hard: ${hard}`);
    if (soft > hard) throw new Error(`${rule}: ${soft} > ${hard}`);
  }
  return { name, soft, hard };
}

/** The `ulimit` attribute of a request: each name once, the last one given, sorted by name. */
export function ulimitAttribute(texts: readonly string[]): string {
  const byName = new Map(texts.map((text) => parseUlimit(text)).map((limit) => [limit.name, limit]));
  return [...byName.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, soft, hard }) => `${name}=${soft}:${hard}`)
    .join(",");
}
