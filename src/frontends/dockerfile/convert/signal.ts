// Signal names and numbers as STOPSIGNAL takes them. Counterpart: moby/sys/signal.

import { FrontendError } from "../source-error.ts";

const BASE: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};
const REALTIME_MIN = 34;
const REALTIME_MAX = 64;

/** The number of a signal given by number or name, `SIG` optional. @throws FrontendError `invalid signal: …` */
export function parseSignal(text: string): number {
  if (/^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 63) {
    if (Number(text) === 0) throw new FrontendError(`invalid signal: ${text}`);
    return Number(text);
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const known = Object.hasOwn(BASE, name) ? BASE[name] : realtimeSignal(name);
  if (known === undefined) throw new FrontendError(`invalid signal: ${text}`);
  return known;
}

// RTMIN, RTMIN+1 to RTMIN+15, RTMAX-14 to RTMAX-1, RTMAX.
function realtimeSignal(name: string): number | undefined {
  const match = /^RT(?:MIN(?:\+([1-9]|1[0-5]))?|(MAX)(?:-([1-9]|1[0-4]))?)$/.exec(name);
  if (match === null) return undefined;
  return match[2] === undefined ? REALTIME_MIN + Number(match[1] ?? 0) : REALTIME_MAX - Number(match[3] ?? 0);
}
