// Signal names and numbers as STOPSIGNAL takes them. Counterpart: moby/sys/signal.

import { FrontendError } from "../source-error.ts";

const NAMES = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP " +
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX " +
    Array.from({ length: 15 }, (_, at) => `RTMIN+${at + 1}`).join(" ") +
    " " +
    Array.from({ length: 14 }, (_, at) => `RTMAX-${at + 1}`).join(" ")
  ).split(" "),
);

/** @throws FrontendError `invalid signal: …` */
export function checkSignal(text: string): void {
  if (/^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 63) {
    if (Number(text) === 0) throw new FrontendError(`invalid signal: ${text}`);
    return;
  }
  const upper = text.toUpperCase();
  if (!NAMES.has(upper.startsWith("SIG") ? upper.slice(3) : upper)) throw new FrontendError(`invalid signal: ${text}`);
}
