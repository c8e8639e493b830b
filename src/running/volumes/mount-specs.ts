// Mounts as the command line has them: `-v [SOURCE:]TARGET[:OPTIONS]`, the fields of `--mount`, and `--tmpfs TARGET[:OPTIONS]`.
// Counterpart: docker/cli opts/mount.go, moby/moby volume/mounts/linux_parser.go, with their words.

import { resolve } from "node:path";
import { BuildError } from "../../base/index.ts";
import type { MountRequest } from "./types.ts";

export interface ParsedMount {
  readonly mount: MountRequest;
  /** What was accepted and means nothing here. */
  readonly notes: readonly string[];
}

const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/** One `-v`. Relative sources (`./x`, `~` is the shell's) stand on `cwd`. @throws MOUNT_INVALID */
export function parseVolumeSpec(text: string, cwd: string): ParsedMount {
  const parts = text.split(":");
  const refuse = (why: string) =>
    new BuildError(`invalid volume specification: '${text}'${why === "" ? "" : `: ${why}`}`, {
      code: "MOUNT_INVALID",
      status: "InvalidArgument",
    });
  if (parts.length > 3) throw plain(`invalid spec: ${text}: too many colons`);
  if (text === "" || parts.some((part) => part === "")) {
    throw text === ""
      ? new BuildError("invalid empty volume spec", { code: "MOUNT_INVALID", status: "InvalidArgument" })
      : refuse("");
  }
  const [source, target, options = ""] = parts.length === 1 ? ["", parts[0]!] : (parts as [string, string, string?]);
  if (!target.startsWith("/")) {
    throw refuse(
      `invalid mount config for type ${source.includes("/") ? '"bind"' : '"volume"'}: invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  if (/^\/+$/.test(target))
    throw refuse(
      `invalid mount config for type ${source.includes("/") ? '"bind"' : '"volume"'}: invalid specification: destination can't be '/'`,
    );
  let [readOnly, noCopy] = [false, false];
  let propagation: string | undefined;
  const notes: string[] = [];
  for (const option of options === "" ? [] : options.split(",")) {
    if (option === "ro") readOnly = true;
    else if (option === "rw") readOnly = false;
    else if (option === "nocopy") noCopy = true;
    else if (option === "z" || option === "Z") notes.push(`-v ${text}: the SELinux option ${option} is ignored`);
    else if (PROPAGATIONS.includes(option)) propagation = option;
    else if (!["cached", "delegated", "consistent", "default"].includes(option))
      throw plain(`invalid mode: ${options}`);
  }
  if (source.startsWith("/") || /^\.{1,2}(\/|$)/.test(source)) {
    if (noCopy) throw plain("invalid mode: nocopy");
    return {
      mount: { kind: "bind", source: resolve(cwd, source), target, readOnly, createSource: true, propagation },
      notes,
    };
  }
  if (propagation !== undefined) throw plain(`invalid mode: ${options}`);
  return { mount: { kind: "volume", name: source, target, readOnly, noCopy }, notes };
}

/** One `--mount`, already split at its commas. @throws MOUNT_INVALID */
export function parseMountFields(fields: readonly string[], cwd: string): ParsedMount {
  const refuse = (why: string) =>
    new BuildError(`invalid argument ${JSON.stringify(fields.join(","))} for "--mount" flag: ${why}`, {
      code: "MOUNT_INVALID",
      status: "InvalidArgument",
    });
  const notes: string[] = [];
  const volumeLabels: Record<string, string> = {};
  const volumeOptions: Record<string, string> = {};
  const given = new Map<string, string>();
  for (const field of fields) {
    const at = field.indexOf("=");
    const key = (at < 0 ? field : field.slice(0, at)).trim().toLowerCase();
    const value = at < 0 ? undefined : field.slice(at + 1);
    if (value === undefined) {
      if (!["readonly", "ro", "volume-nocopy", "bind-nonrecursive"].includes(key))
        throw refuse(`invalid field '${field}' must be a key=value pair`);
      given.set(key === "ro" ? "readonly" : key, "true");
      continue;
    }
    switch (key) {
      case "src":
        given.set("source", value);
        break;
      case "dst":
      case "destination":
        given.set("target", value);
        break;
      case "ro":
        given.set("readonly", value);
        break;
      case "volume-label":
      case "volume-opt": {
        const [name = "", ...rest] = value.split("=");
        (key === "volume-opt" ? volumeOptions : volumeLabels)[name] = rest.join("=");
        break;
      }
      case "type":
      case "source":
      case "target":
      case "readonly":
      case "consistency":
      case "bind-propagation":
      case "bind-nonrecursive":
      case "bind-recursive":
      case "volume-nocopy":
      case "volume-subpath":
      case "volume-driver":
      case "tmpfs-size":
      case "tmpfs-mode":
        given.set(key, value);
        break;
      default:
        throw refuse(`unexpected key '${key}' in '${field}'`);
    }
  }
  const bool = (key: string): boolean => {
    const text = given.get(key) ?? "false";
    if (/^(1|t|true)$/i.test(text)) return true;
    if (/^(0|f|false)$/i.test(text)) return false;
    throw refuse(`invalid value for ${key}: ${text}`);
  };
  const type = (given.get("type") ?? "volume").toLowerCase();
  const [source = "", target = ""] = [given.get("source"), given.get("target")];
  if (target === "") throw refuse("target is required");
  if (!target.startsWith("/"))
    throw plain(`invalid mount config for type "${type}": invalid mount path: '${target}' mount path must be absolute`);
  for (const key of given.keys()) {
    const owner = /^(bind|volume|tmpfs)-/.exec(key)?.[1];
    if (owner !== undefined && owner !== type)
      throw refuse(`cannot mix '${owner}-*' options with mount type '${type}'`);
  }
  if (type !== "volume" && Object.keys({ ...volumeLabels, ...volumeOptions }).length > 0)
    throw refuse(`cannot mix 'volume-*' options with mount type '${type}'`);
  const common = { target, readOnly: bool("readonly") };
  switch (type) {
    case "bind": {
      if (source === "") throw plain(`invalid mount config for type "bind": field Source must not be empty`);
      const propagation = given.get("bind-propagation");
      if (propagation !== undefined && !PROPAGATIONS.includes(propagation))
        throw refuse(`invalid propagation: ${propagation}`);
      const nonRecursive = bool("bind-nonrecursive") || given.get("bind-recursive") === "disabled";
      return {
        mount: {
          kind: "bind",
          source: resolve(cwd, source),
          ...common,
          createSource: false,
          propagation,
          nonRecursive,
        },
        notes,
      };
    }
    case "volume": {
      const driver = given.get("volume-driver") ?? "local";
      if (driver !== "" && driver !== "local")
        throw refuse(`error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`);
      const subpath = given.get("volume-subpath");
      return {
        mount: {
          kind: "volume",
          name: source,
          ...common,
          noCopy: bool("volume-nocopy"),
          subpath,
          labels: volumeLabels,
          driverOptions: volumeOptions,
        },
        notes,
      };
    }
    case "tmpfs": {
      if (source !== "") throw plain(`invalid mount config for type "tmpfs": field Source must not be specified`);
      const mode = given.get("tmpfs-mode");
      if (mode !== undefined && !/^[0-7]{1,5}$/.test(mode)) throw refuse(`invalid value for tmpfs-mode: ${mode}`);
      const size = given.get("tmpfs-size");
      const match = size === undefined ? undefined : /^(\d+(?:\.\d+)?) ?([kmgt]?)i?b?$/i.exec(size);
      if (match === null) throw refuse(`invalid value for tmpfs-size: ${size}`);
      const sizeBytes =
        match === undefined
          ? undefined
          : Math.floor(Number(match[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf(match[2]!.toLowerCase()));
      return {
        mount: { kind: "tmpfs", ...common, sizeBytes, mode: mode === undefined ? undefined : Number.parseInt(mode, 8) },
        notes,
      };
    }
    default:
      throw plain(`invalid mount config for type ${JSON.stringify(type)}: mount type unknown`);
  }
}

/** One `--tmpfs`; its options are checked when the container is made. @throws MOUNT_INVALID */
export function parseTmpfsSpec(text: string): MountRequest {
  const at = text.indexOf(":");
  const target = at < 0 ? text : text.slice(0, at);
  if (!target.startsWith("/"))
    throw new BuildError(`invalid mount path: '${target}' mount path must be absolute`, {
      code: "MOUNT_INVALID",
      status: "InvalidArgument",
    });
  return { kind: "tmpfs", target, readOnly: false, ...(at < 0 ? {} : { options: text.slice(at + 1) }) };
}

/** What docker's engine, not its command line, would say. */
function plain(message: string): BuildError {
  return new BuildError(message, { code: "MOUNT_INVALID", status: "InvalidArgument" });
}
