// File modes in chmod's symbolic language (`u+x`, `go=rX`, `a+t`), as COPY --chmod and the copy action carry them.
// Counterpart: tonistiigi/dchapes-mode, BSD setmode(3). There is no umask.

const SET_UID = 0o4000;
const SET_GID = 0o2000;
const STICKY = 0o1000;
const STANDARD = 0o6777;

interface Step {
  readonly kind: "add" | "remove" | "conditionalExecute";
  readonly bits: number;
}

// `=u`, `+g`, `-o`: copies the bits of one class of users to others.
interface CopyStep {
  readonly kind: "copy";
  readonly from: "u" | "g" | "o";
  readonly operator: "+" | "-" | "=";
  /** Classes that are changed, as bit masks of read. */
  readonly who: number;
}

/** Changes a mode (permission, setuid, setgid and sticky bits). */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

/** A symbolic (or octal) mode as a function; undefined when the text is none. */
export function tryParseSymbolicMode(text: string): ModeChange | undefined {
  const steps: (Step | CopyStep)[] = [];
  if (text === "") return undefined;
  if (/^[0-9]/.test(text)) {
    const octal = /^0*[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : undefined;
    return octal === undefined ? undefined : () => octal;
  }
  for (const clause of text.split(",")) if (!parseClause(clause, steps)) return undefined;
  return (mode, isDirectory) => steps.reduce((current, step) => applyStep(step, current, mode, isDirectory), mode);
}

function parseClause(clause: string, steps: (Step | CopyStep)[]): boolean {
  let at = 0;
  let who = 0;
  for (; "augo".includes(clause[at] ?? "-"); at++) who |= whoBits(clause[at]!);
  if (at >= clause.length) return false;
  let equalDone = false;
  while (at < clause.length) {
    const operator = clause[at++]!;
    if (operator !== "+" && operator !== "-" && operator !== "=") return false;
    if (operator === "=") equalDone = false;
    let bits = 0;
    let conditional = 0;
    let target = who & ~STICKY;
    const flush = () => {
      if (bits !== 0 || (operator === "=" && !equalDone)) {
        if (operator === "=") equalDone = true;
        addSteps(steps, operator, target, bits);
      }
      if (conditional !== 0) steps.push({ kind: "conditionalExecute", bits: limited(target, conditional) });
      bits = 0;
      conditional = 0;
    };
    for (; at < clause.length; at++) {
      const char = clause[at]!;
      const special = target === 0 || (target & ~0o7) !== 0;
      if (char === "r") bits |= 0o444;
      else if (char === "w") bits |= 0o222;
      else if (char === "x" || (char === "X" && operator === "-")) bits |= 0o111;
      else if (char === "X") conditional = 0o111;
      else if (char === "s") bits |= special ? SET_UID | SET_GID : 0;
      else if (char === "t") {
        if (!special) continue;
        target |= STICKY;
        bits |= STICKY;
      } else if (char === "u" || char === "g" || char === "o") {
        if (bits !== 0) addSteps(steps, operator, target, bits);
        bits = 0;
        if (operator === "=") equalDone = true;
        if (conditional !== 0) steps.push({ kind: "conditionalExecute", bits: limited(target, conditional) });
        conditional = 0;
        steps.push({ kind: "copy", from: char, operator, who: target === 0 ? 0o444 : target & 0o444 });
      } else break;
    }
    who = target;
    flush();
  }
  return true;
}

function whoBits(who: string): number {
  if (who === "a") return STANDARD;
  return who === "u" ? SET_UID | 0o700 : who === "g" ? SET_GID | 0o070 : 0o007;
}

function limited(who: number, bits: number): number {
  return who === 0 ? bits : bits & who;
}

function addSteps(steps: (Step | CopyStep)[], operator: "+" | "-" | "=", who: number, bits: number): void {
  if (operator === "=") steps.push({ kind: "remove", bits: who === 0 ? STANDARD : who });
  steps.push({ kind: operator === "-" ? "remove" : "add", bits: limited(who, bits) });
}

function applyStep(step: Step | CopyStep, current: number, original: number, isDirectory: boolean): number {
  switch (step.kind) {
    case "add":
      return current | step.bits;
    case "remove":
      return current & ~step.bits;
    case "conditionalExecute":
      return isDirectory || (original & 0o111) !== 0 ? current | step.bits : current;
    case "copy": {
      const shift = step.from === "u" ? 6 : step.from === "g" ? 3 : 0;
      const value = (current >> shift) & 0o7;
      let mode = current;
      for (const to of [6, 3, 0]) {
        if (((step.who >> to) & 0o4) === 0) continue;
        if (step.operator === "=") mode &= ~(0o7 << to);
        else if (step.operator === "-") mode &= ~(value << to);
        if (step.operator !== "-") mode |= value << to;
      }
      return mode;
    }
    default:
      return step satisfies never;
  }
}
