// Go's FileMode bits, which file sync sends, and Linux' st_mode. Counterpart: Go's io/fs FileMode, syscall.Stat_t.

/** Bits of Go's FileMode above the permissions. */
export const GO_MODE = {
  dir: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  namedPipe: 0x02000000,
  socket: 0x01000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  charDevice: 0x00200000,
  sticky: 0x00100000,
  irregular: 0x00080000,
} as const;

/** All bits that say what an entry is. */
const TYPE =
  GO_MODE.dir +
  GO_MODE.symlink +
  GO_MODE.device +
  GO_MODE.namedPipe +
  GO_MODE.socket +
  GO_MODE.charDevice +
  GO_MODE.irregular;

const S_IFMT = 0o170000;
const KINDS: readonly (readonly [number, number])[] = [
  [0o040000, GO_MODE.dir],
  [0o120000, GO_MODE.symlink],
  [0o060000, GO_MODE.device],
  [0o020000, GO_MODE.device + GO_MODE.charDevice],
  [0o010000, GO_MODE.namedPipe],
  [0o140000, GO_MODE.socket],
  [0o100000, 0],
];

/** Go's mode of an st_mode. */
export function goMode(mode: number): number {
  const kind = KINDS.find(([bits]) => bits === (mode & S_IFMT))?.[1] ?? GO_MODE.irregular;
  let bits = kind + (mode & 0o777);
  if (mode & 0o4000) bits += GO_MODE.setuid;
  if (mode & 0o2000) bits += GO_MODE.setgid;
  if (mode & 0o1000) bits += GO_MODE.sticky;
  return bits;
}

/** The st_mode of a Go mode; undefined for kinds that Linux does not have. */
export function unixMode(mode: number): number | undefined {
  const type = (mode & TYPE) >>> 0;
  const kind = KINDS.find(([, bits]) => bits === type)?.[0];
  if (kind === undefined) return undefined;
  let bits = kind | (mode & 0o777);
  if (mode & GO_MODE.setuid) bits |= 0o4000;
  if (mode & GO_MODE.setgid) bits |= 0o2000;
  if (mode & GO_MODE.sticky) bits |= 0o1000;
  return bits;
}
