// chmod's symbolic modes as COPY --chmod takes them: `u=rwX,go-w`. The umask counts as 0.
// Counterpart: tonistiigi/dchapes-mode.

import { fileError } from "./file-errors.ts";

const WHO: Readonly<Record<string, number>> = { u: 0o700, g: 0o070, o: 0o007, a: 0o777 };

interface Change {
  /** Which of the nine bits may change. */
  readonly who: number;
  readonly operator: string;
  readonly letters: string;
}

/** A function from a mode to the changed one; octal text sets it. @throws FILE_OP when the text is neither. */
export function parseSymbolicMode(text: string): (mode: number, isDir: boolean) => number {
  if (/^[0-7]{1,5}$/.test(text)) return () => Number.parseInt(text, 8) & 0o7777;
  const changes: Change[] = [];
  for (const clause of text.split(",")) {
    const match = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
    if (match === null) throw fileError("invalid syntax");
    const who = [...match[1]!.split("")].reduce((bits, letter) => bits | WHO[letter]!, 0) || 0o777;
    for (const [, operator, letters] of match[2]!.matchAll(/([-+=])([ugo]|[rwxXst]*)/g)) {
      changes.push({ who, operator: operator!, letters: letters! });
    }
  }
  return (mode, isDir) => changes.reduce((now, change) => apply(now, change, isDir), mode & 0o7777);
}

function apply(mode: number, { who, operator, letters }: Change, isDir: boolean): number {
  let bits = 0;
  let special = 0;
  for (const letter of letters) {
    if (letter === "r") bits |= 0o444;
    else if (letter === "w") bits |= 0o222;
    else if (letter === "x" || (letter === "X" && (isDir || mode & 0o111))) bits |= 0o111;
    else if (letter === "s") special |= (who & 0o700 ? 0o4000 : 0) | (who & 0o070 ? 0o2000 : 0);
    else if (letter === "t") special |= 0o1000;
    else if (letter === "u") bits |= ((mode >> 6) & 7) * 0o111;
    else if (letter === "g") bits |= ((mode >> 3) & 7) * 0o111;
    else if (letter === "o") bits |= (mode & 7) * 0o111;
  }
  bits &= who;
  if (operator === "+") return mode | bits | special;
  if (operator === "-") return mode & ~(bits | special);
  return (mode & ~who) | bits | special;
}
