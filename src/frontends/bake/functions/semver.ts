// Whether a version satisfies a constraint, as `semvercmp` tells. Counterpart: Masterminds/semver v3.

import { FunctionError } from "../evaluate/scope.ts";

interface Version {
  readonly numbers: readonly [number, number, number];
  readonly pre: string;
}

interface Constraint {
  readonly operator: string;
  readonly version: Version;
  /** Which parts were left out or written as x: from the first one on, all are. */
  readonly open: "none" | "patch" | "minor" | "major";
}

const VERSION =
  /^v?(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:\.(0|[1-9]\d*))?(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;
const OPERATORS = "!=|>=|=>|<=|=<|~>|=|>|<|~|\\^|";
const PARTS =
  "v?([0-9|xX*]+)(\\.[0-9|xX*]+)?(\\.[0-9|xX*]+)?(-(?:[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(?:\\+(?:[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?";
const ONE = `(${OPERATORS})\\s*(${PARTS})`;
const bare = (pattern: string) => pattern.replace(/\((?!\?)/g, "(?:");
const VALID = new RegExp(`^\\s*${bare(ONE)}\\s*(?:(?:\\s+|,\\s*)${bare(ONE)}\\s*)*$`);
const RANGE = new RegExp(`\\s*(${bare(PARTS)})\\s+-\\s+(${bare(PARTS)})\\s*`, "g");

/** @throws FunctionError for what is no version or constraint. */
export function semverSatisfies(versionText: string, constraintText: string): boolean {
  const version = parseVersion(versionText);
  if (version === undefined) throw new FunctionError("invalid semantic version");
  const alternatives = constraintText
    .replace(RANGE, (_, from: string, to: string) => `>= ${from}, <= ${to} `)
    .split("||")
    .map(parseAll);
  return alternatives.some((all) => {
    const wantsPre = all.some((each) => each.version.pre !== "");
    return all.every((each) => (version.pre === "" || wantsPre) && satisfies(version, each));
  });
}

function parseVersion(given: string): Version | undefined {
  const match = VERSION.exec(given);
  if (match === null) return undefined;
  const [, major, minor = "0", patch = "0", pre = ""] = match;
  return { numbers: [Number(major), Number(minor), Number(patch)], pre };
}

function parseAll(given: string): Constraint[] {
  if (!VALID.test(given)) throw new FunctionError(`improper constraint: ${given}`);
  return [...given.matchAll(new RegExp(ONE, "g"))].map(([, operator, , major, minor, patch, pre = ""]) => {
    const isOpen = (part: string | undefined) => part === undefined || /^\.?[xX*]$/.test(part);
    const open = isOpen(major) ? "major" : isOpen(minor) ? "minor" : isOpen(patch) ? "patch" : "none";
    const shown =
      open === "major"
        ? `0.0.0${pre}`
        : open === "minor"
          ? `${major}.0.0${pre}`
          : open === "patch"
            ? `${major}${minor}.0${pre}`
            : `${major}${minor}${patch}${pre}`;
    const version = parseVersion(shown);
    if (version === undefined) throw new FunctionError("constraint parser error");
    return { operator: operator!, version, open };
  });
}

function satisfies(version: Version, { operator, version: wanted, open }: Constraint): boolean {
  const [major, minor, patch] = version.numbers;
  const [wantedMajor, wantedMinor, wantedPatch] = wanted.numbers;
  const order = compare(version, wanted);
  const minorOpen = open === "minor";
  switch (operator) {
    case "":
    case "=":
      return open === "none" ? order === 0 : tilde();
    case "~":
    case "~>":
      return tilde();
    case "!=":
      if (open === "none") return order !== 0;
      if (major !== wantedMajor) return true;
      if (open === "major") return minor !== wantedMinor || patch !== wantedPatch || order !== 0;
      if (minorOpen) return false;
      if (minor !== wantedMinor) return true;
      return (version.pre !== "" || wanted.pre !== "") && comparePre(version.pre, wanted.pre) !== 0;
    case ">":
      if (open === "none" || open === "major")
        return open === "major" ? major > wantedMajor || (major === wantedMajor && order > 0) : order > 0;
      if (major !== wantedMajor) return major > wantedMajor;
      return minorOpen ? false : minor > wantedMinor;
    case "<":
      return order < 0;
    case ">=":
    case "=>":
      return order >= 0;
    case "<=":
    case "=<":
      if (open === "none") return order <= 0;
      if (major > wantedMajor) return false;
      return !(major === wantedMajor && minor > wantedMinor && !minorOpen);
    case "^":
      if (order < 0) return false;
      if (wantedMajor > 0 || minorOpen) return major === wantedMajor;
      if (major > 0) return false;
      if (wantedMinor > 0 || open === "patch") return minor === wantedMinor;
      return minor === 0 && patch === wantedPatch;
    default:
      return false;
  }

  function tilde(): boolean {
    if (order < 0) return false;
    if (wantedMajor === 0 && wantedMinor === 0 && wantedPatch === 0 && !minorOpen && open !== "patch") return true;
    return major === wantedMajor && (minor === wantedMinor || minorOpen);
  }
}

function compare(a: Version, b: Version): number {
  for (const at of [0, 1, 2] as const) if (a.numbers[at] !== b.numbers[at]) return a.numbers[at] - b.numbers[at];
  return comparePre(a.pre, b.pre);
}

/** A release comes after its prereleases; numbers come before names. */
function comparePre(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "" || b === "") return a === "" ? 1 : -1;
  const [left, right] = [a.split("."), b.split(".")];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [x, y] = [left[at], right[at]];
    if (x === y) continue;
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const [xNumber, yNumber] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (xNumber && yNumber) return Number(x) - Number(y);
    if (xNumber !== yNumber) return xNumber ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}
