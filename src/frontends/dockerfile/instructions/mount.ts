// The value of RUN --mount: `type=…,target=…`, read twice. Before variables are known only `from` is looked at (it decides
// which stages are needed), later everything. Counterpart: frontend/dockerfile/instructions/commands_runmount.go.

import { quote } from "../go/format.ts";
import { tryParseBool, tryParseUint } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { FrontendError, withSuggestion, wrapError } from "../source-error.ts";
import { csvFields } from "./csv.ts";
import type { Expander, Mount, MountType } from "./types.ts";
import { parseRamSize } from "./units.ts";

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARING = ["shared", "private", "locked"] as const;
const KEYS = [
  "type",
  "from",
  "source",
  "target",
  "readonly",
  "id",
  "sharing",
  "required",
  "size",
  "mode",
  "uid",
  "gid",
  "src",
  "dst",
  "destination",
  "ro",
  "rw",
  "readwrite",
  "env",
];

/** Reads a mount. Without an expander only `from` is taken. @throws FrontendError */
export function parseMount(text: string, expand: Expander | undefined): Mount {
  let fields: string[];
  try {
    fields = csvFields(text);
  } catch (error) {
    throw wrapError(error, "failed to parse csv mounts");
  }
  const mount: Mount = {
    type: "bind",
    from: "",
    source: "",
    target: "",
    readOnly: false,
    sizeBytes: 0n,
    id: "",
    sharing: "",
    required: false,
    env: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
  };
  const reader = new MountReader(mount);
  for (const field of fields) {
    const { before, after, found } = cut(field, "=");
    const key = before.toLowerCase();
    if (expand !== undefined) {
      if (found) reader.set(key, expand(after), field);
      else reader.setBare(key, field);
    } else if (found && key === "from") {
      const at = after.indexOf("$");
      if (at >= 0 && at !== after.length - 1) {
        throw new FrontendError(`'${key}' doesn't support variable expansion, define alias stage instead`);
      }
      reader.set(key, after, field);
    }
  }
  reader.finish();
  return mount;
}

class MountReader {
  readonly #mount: Mount;
  #readOnlyGiven = false;

  constructor(mount: Mount) {
    this.#mount = mount;
  }

  /** A key without value. */
  setBare(key: string, field: string): void {
    const mount = this.#mount;
    if (key === "readonly" || key === "ro") this.#setReadOnly(true);
    else if (key === "readwrite" || key === "rw") this.#setReadOnly(false);
    else if (key === "required") {
      if (mount.type !== "secret" && mount.type !== "ssh") throw this.#unexpected(key);
      mount.required = true;
    } else throw new FrontendError(`invalid field '${field}' must be a key=value pair`);
  }

  set(key: string, value: string, field: string): void {
    const mount = this.#mount;
    switch (key) {
      case "type":
        mount.type = oneOf(TYPES, value, "unsupported mount type");
        return;
      case "from":
        mount.from = value;
        return;
      case "source":
      case "src":
        mount.source = value;
        return;
      case "target":
      case "dst":
      case "destination":
        mount.target = value;
        return;
      case "readonly":
      case "ro":
        this.#setReadOnly(parseBool(key, value));
        return;
      case "readwrite":
      case "rw":
        this.#setReadOnly(!parseBool(key, value));
        return;
      case "required":
        if (mount.type !== "secret" && mount.type !== "ssh") throw this.#unexpected(key);
        mount.required = parseBool(key, value);
        return;
      case "size":
        if (mount.type !== "tmpfs") throw this.#unexpected(key);
        mount.sizeBytes = parseSize(value);
        return;
      case "id":
        mount.id = value;
        return;
      case "sharing":
        mount.sharing = oneOf(SHARING, value, "unsupported sharing value");
        return;
      case "mode":
        mount.mode = parseNumber(key, value, 8);
        return;
      case "uid":
        mount.uid = parseNumber(key, value, 10);
        return;
      case "gid":
        mount.gid = parseNumber(key, value, 10);
        return;
      case "env":
        mount.env = value;
        return;
      default:
        throw withSuggestion(new FrontendError(`unexpected key '${key}' in '${field}'`), key, KEYS);
    }
  }

  /** Settings that depend on each other. */
  finish(): void {
    const mount = this.#mount;
    if (mount.type === "bind" || mount.type === "tmpfs") {
      for (const key of ["mode", "uid", "gid"] as const) {
        if (mount[key] !== undefined)
          throw new FrontendError(`${key} not allowed for ${quote(mount.type)} type mounts`);
      }
    }
    if (!this.#readOnlyGiven) mount.readOnly = mount.type !== "cache" && mount.type !== "tmpfs";
    if (mount.type === "secret") {
      if (mount.from !== "") throw new FrontendError("secret mount should not have a from");
      if (mount.sharing !== "") throw new FrontendError("secret mount should not define sharing");
      if (mount.source === "" && mount.target === "" && mount.id === "") {
        throw new FrontendError("invalid secret mount. one of source, target required");
      }
      if (mount.source !== "" && mount.id !== "") throw new FrontendError("both source and id can't be set");
    }
    if (mount.sharing !== "" && mount.type !== "cache") {
      throw new FrontendError(`invalid cache sharing set for ${mount.type} mount`);
    }
  }

  #setReadOnly(value: boolean): void {
    this.#mount.readOnly = value;
    this.#readOnlyGiven = true;
  }

  #unexpected(key: string): FrontendError {
    return new FrontendError(`unexpected key '${key}' for mount type '${this.#mount.type}'`);
  }
}

function oneOf<T extends string>(options: readonly T[], value: string, problem: string): T {
  const found = options.find((option) => option === value.toLowerCase());
  if (found === undefined) throw withSuggestion(new FrontendError(`${problem} ${quote(value)}`), value, options);
  return found;
}

function parseBool(key: string, value: string): boolean {
  const parsed = tryParseBool(value);
  if (parsed === undefined) throw new FrontendError(`invalid value for ${key}: ${value}`);
  return parsed;
}

function parseNumber(key: string, value: string, base: 8 | 10): number {
  const parsed = tryParseUint(value, base, 32);
  if (typeof parsed === "string") throw new FrontendError(`invalid value ${value} for ${key}`);
  return Number(parsed);
}

function parseSize(value: string): bigint {
  try {
    return parseRamSize(value);
  } catch {
    throw new FrontendError(`invalid value for size: ${value}`);
  }
}
