// A pattern of the ignore language as a finite automaton. BuildKit translates such a pattern to a Go regular expression;
// JavaScript's own engine backtracks (exponentially on `*a*a*a…`), so the few constructs that can occur are matched here
// with lazily built deterministic states: one table look-up per character, whatever the pattern.
// Counterpart: moby/patternmatcher Pattern.compile with Go's regexp (RE2).

interface CodeRange {
  readonly from: number;
  readonly to: number;
}

interface CodeSet {
  readonly negated: boolean;
  readonly ranges: readonly CodeRange[];
}

// `star`: any number of chars of the set. `folders`: an optional run of anything that ends in a slash.
type Token =
  | { readonly kind: "char"; readonly set: CodeSet }
  | { readonly kind: "star"; readonly set: CodeSet }
  | { readonly kind: "folders" }
  | { readonly kind: "start" }
  | { readonly kind: "boundary"; readonly inside: boolean };

const SLASH = 0x2f;
const NEWLINE = 0x0a;
const NOT_SLASH: CodeSet = { negated: true, ranges: [{ from: SLASH, to: SLASH }] };
const NOT_NEWLINE: CodeSet = { negated: true, ranges: [{ from: NEWLINE, to: NEWLINE }] };
const DIGIT: readonly CodeRange[] = [{ from: 0x30, to: 0x39 }];
const SPACE: readonly CodeRange[] = [
  { from: 0x09, to: 0x0a },
  { from: 0x0c, to: 0x0d },
  { from: 0x20, to: 0x20 },
];
const WORD: readonly CodeRange[] = [
  { from: 0x30, to: 0x39 },
  { from: 0x41, to: 0x5a },
  { from: 0x5f, to: 0x5f },
  { from: 0x61, to: 0x7a },
];
const CLASSES: Readonly<Record<string, CodeSet>> = {
  d: { negated: false, ranges: DIGIT },
  D: { negated: true, ranges: DIGIT },
  s: { negated: false, ranges: SPACE },
  S: { negated: true, ranges: SPACE },
  w: { negated: false, ranges: WORD },
  W: { negated: true, ranges: WORD },
};
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\0-\x7f",
  blank: "\t-\t - ",
  cntrl: "\0-\x1f\x7f-\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-/:-@[-`{-~",
  space: "\t-\r - ",
  upper: "A-Z",
  word: "0-9A-Z_-_a-z",
  xdigit: "0-9A-Fa-f",
};
const MAX_STATES = 2000;

/** A compiled pattern; `test` takes time linear in the text. */
export class Automaton {
  readonly #tokens: readonly Token[];
  readonly #hasBoundary: boolean;
  #states = new Map<string, State>();
  #start: State;

  /**
   * `regex` is the expression that BuildKit would compile, without its anchors.
   * @throws Error when Go's regexp would refuse it.
   */
  constructor(regex: string) {
    this.#tokens = parse(Array.from(regex));
    this.#hasBoundary = this.#tokens.some((token) => token.kind === "boundary");
    this.#start = this.#intern(this.#close([0], true));
  }

  /** Whether the whole of `text` matches. */
  test(text: string): boolean {
    if (this.#hasBoundary) return this.#testWithBoundaries(Array.from(text, (char) => char.codePointAt(0)!));
    let state = this.#start;
    for (let at = 0; at < text.length; at++) {
      let code = text.charCodeAt(at);
      if (code >= 0xd800 && code < 0xdc00 && at + 1 < text.length) code = text.codePointAt(at++)!;
      state = state.next.get(code) ?? this.#step(state, code);
      if (state.dead) return false;
    }
    return state.accepting;
  }

  // Word boundaries look at both neighbours, so these (very rare) patterns are stepped without remembered states.
  #testWithBoundaries(codes: readonly number[]): boolean {
    const isWord = (at: number) =>
      at >= 0 && at < codes.length && contains({ negated: false, ranges: WORD }, codes[at]!);
    let ids: readonly number[] = [0];
    for (let at = 0; at <= codes.length; at++) {
      ids = this.#close(ids, at === 0, isWord(at - 1) !== isWord(at));
      if (at < codes.length) ids = this.#reach(ids, codes[at]!);
    }
    return ids.includes(this.#tokens.length * 2);
  }

  #reach(ids: readonly number[], code: number): number[] {
    const reached: number[] = [];
    for (const id of ids) {
      const token = this.#tokens[id >> 1];
      if (token === undefined) continue;
      if ((id & 1) === 1) {
        // Inside the run of a "folders" token: `.*` goes on, a slash may end it.
        if (code !== NEWLINE) reached.push(id);
        if (code === SLASH) reached.push((id & ~1) + 2);
      } else if (token.kind === "char" && contains(token.set, code)) reached.push(id + 2);
      else if (token.kind === "star" && contains(token.set, code)) reached.push(id);
    }
    return reached;
  }

  #step(state: State, code: number): State {
    const reached = this.#reach(state.ids, code);
    const next = this.#intern(this.#close(reached, false));
    // A hostile pattern may reach very many states; forgetting them all keeps memory bounded.
    if (this.#states.size > MAX_STATES) {
      this.#states = new Map();
      this.#start = this.#intern(this.#close([0], true));
      return this.#intern(next.ids);
    }
    state.next.set(code, next);
    return next;
  }

  // Position ids are token index * 2; the odd one stands inside a "folders" run.
  #close(from: readonly number[], atStart: boolean, atBoundary?: boolean): number[] {
    const seen = new Set<number>();
    const open = [...from];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      if ((id & 1) === 1) continue;
      const token = this.#tokens[id >> 1];
      if (token?.kind === "star" || (token?.kind === "start" && atStart)) open.push(id + 2);
      else if (token?.kind === "boundary" && token.inside !== atBoundary) open.push(id + 2);
      else if (token?.kind === "folders") open.push(id + 1, id + 2);
    }
    return Array.from(seen).sort((a, b) => a - b);
  }

  #intern(ids: readonly number[]): State {
    const key = ids.join();
    let state = this.#states.get(key);
    if (state === undefined) {
      const end = this.#tokens.length * 2;
      state = { ids, accepting: ids.includes(end), dead: ids.length === 0, next: new Map() };
      this.#states.set(key, state);
    }
    return state;
  }
}

interface State {
  readonly ids: readonly number[];
  readonly accepting: boolean;
  readonly dead: boolean;
  readonly next: Map<number, State>;
}

function contains(set: CodeSet, code: number): boolean {
  for (const range of set.ranges) if (code >= range.from && code <= range.to) return !set.negated;
  return set.negated;
}

function parse(points: readonly string[]): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const startsWith = (text: string) => points.slice(at, at + text.length).join("") === text;
  while (at < points.length) {
    if (startsWith("(.*/)?")) {
      tokens.push({ kind: "folders" });
      at += 6;
    } else if (startsWith(".*")) {
      tokens.push({ kind: "star", set: NOT_NEWLINE });
      at += 2;
    } else if (startsWith("[^/]*")) {
      tokens.push({ kind: "star", set: NOT_SLASH });
      at += 5;
    } else if (points[at] === "^") {
      tokens.push({ kind: "start" });
      at++;
    } else if (points[at] === "[") {
      const { set, end } = parseClass(points, at + 1);
      at = end;
      const starred = points[at] === "*";
      if (starred) at++;
      tokens.push({ kind: starred ? "star" : "char", set });
    } else if (points[at] === "\\" && (points[at + 1] === "b" || points[at + 1] === "B")) {
      tokens.push({ kind: "boundary", inside: points[at + 1] === "B" });
      at += 2;
    } else if (points[at] === "\\") {
      const { set, end } = parseEscape(points, at + 1);
      tokens.push({ kind: "char", set });
      at = end;
    } else {
      tokens.push({ kind: "char", set: single(points[at]!.codePointAt(0)!) });
      at++;
    }
  }
  return tokens;
}

function single(code: number): CodeSet {
  return { negated: false, ranges: [{ from: code, to: code }] };
}

function parseEscape(points: readonly string[], at: number): { set: CodeSet; end: number } {
  const char = points[at];
  if (char === undefined) throw new Error("trailing backslash");
  const known = CLASSES[char];
  if (known !== undefined) return { set: known, end: at + 1 };
  const control = CONTROLS[char];
  if (control !== undefined) return { set: single(control), end: at + 1 };
  const code = char.codePointAt(0)!;
  if (code >= 0x80 || /[0-9A-Za-z]/.test(char)) throw new Error(`invalid escape sequence \\${char}`);
  return { set: single(code), end: at + 1 };
}

function parseClass(points: readonly string[], from: number): { set: CodeSet; end: number } {
  let at = from;
  const negated = points[at] === "^";
  if (negated) at++;
  const ranges: CodeRange[] = [];
  // Negated escapes such as \D inside a class are expanded to the ranges between theirs.
  const add = (set: CodeSet) => {
    if (!set.negated) ranges.push(...set.ranges);
    else {
      let start = 0;
      for (const range of set.ranges) {
        if (range.from > start) ranges.push({ from: start, to: range.from - 1 });
        start = range.to + 1;
      }
      ranges.push({ from: start, to: 0x10ffff });
    }
  };
  for (let first = true; first || points[at] !== "]"; first = false) {
    if (at >= points.length) throw new Error("missing closing ]");
    if (points[at] === "-" && !first && points[at + 1] !== "]" && points[at + 1] !== undefined) {
      throw new Error("invalid character class range");
    }
    const named = points[at] === "[" && points[at + 1] === ":" ? posixClass(points, at) : undefined;
    if (named !== undefined) {
      add(named.set);
      at = named.end;
      continue;
    }
    const low = classItem(points, at);
    at = low.end;
    const lowRange = low.set.ranges[0]!;
    const isSingle = !low.set.negated && low.set.ranges.length === 1 && lowRange.from === lowRange.to;
    if (isSingle && points[at] === "-" && points[at + 1] !== "]" && at + 1 < points.length) {
      const high = classItem(points, at + 1);
      at = high.end;
      const to = high.set.ranges[0]!.to;
      if (high.set.negated || high.set.ranges.length > 1 || to < lowRange.from) {
        throw new Error("invalid character class range");
      }
      ranges.push({ from: lowRange.from, to });
    } else add(low.set);
  }
  return { set: { negated, ranges }, end: at + 1 };
}

// "[:name:]", where the text after "[:" is only a class when its end is there.
function posixClass(points: readonly string[], at: number): { set: CodeSet; end: number } | undefined {
  const rest = points.slice(at + 2, at + 14).join("");
  const close = rest.indexOf(":]");
  if (close < 0) return undefined;
  const negated = rest.startsWith("^");
  const spec = POSIX[rest.slice(negated ? 1 : 0, close)];
  if (spec === undefined) throw new Error("invalid character class range");
  const ranges: CodeRange[] = [];
  for (let char = 0; char < spec.length; char += 3) {
    ranges.push({ from: spec.charCodeAt(char), to: spec.charCodeAt(char + 2) });
  }
  return { set: { negated, ranges }, end: at + 2 + close + 2 };
}

function classItem(points: readonly string[], at: number): { set: CodeSet; end: number } {
  const char = points[at];
  if (char === undefined) throw new Error("missing closing ]");
  return char === "\\" ? parseEscape(points, at + 1) : { set: single(char.codePointAt(0)!), end: at + 1 };
}
