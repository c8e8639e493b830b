// Builders by name, kept in the user's configuration: a file each, and one that says which is in use.
// Counterpart: docker/buildx store.

import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";

export const driverNames = ["remote", "docker", "docker-container", "kubernetes"] as const;
export type DriverName = (typeof driverNames)[number];

export interface NodeConfig {
  readonly name: string;
  /** An address, a docker context, or nothing for the driver's default. */
  readonly endpoint: string;
  /** Platforms to prefer it for, as given; empty: those that it says it has. */
  readonly platforms: readonly string[];
  readonly driverOpts: Readonly<Record<string, string>>;
  /** For a daemon that the driver starts. */
  readonly flags: readonly string[];
}

export interface BuilderConfig {
  readonly name: string;
  readonly driver: DriverName;
  readonly nodes: readonly NodeConfig[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names that mean the builder in this process. */
const EMBEDDED = ["embedded", "default", ""];
const NAME = /^[a-zA-Z][a-zA-Z0-9._-]*$/;

export class BuilderConfigs {
  readonly #folder: string;
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
    const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
    this.#folder = join(env["SLIPWAY_CONFIG"] || join(config, "slipway"), "builders");
  }

  /** The builder that a flag, the environment or `slipway use` names; undefined for the embedded one. @throws BUILDER_NOT_FOUND. */
  selected(flag: string): BuilderConfig | undefined {
    const name = flag || this.#env["SLIPWAY_BUILDER"] || this.currentName();
    return EMBEDDED.includes(name) ? undefined : this.get(name);
  }

  /** What `slipway use` chose. */
  currentName(): string {
    return this.#tryRead("current")?.trim() ?? "";
  }

  /** @throws BUILDER_NOT_FOUND, BUILDER_CONFIG_DAMAGED. */
  get(name: string): BuilderConfig {
    const found = this.tryGet(name);
    if (found !== undefined) return found;
    throw new BuildError(`no builder ${JSON.stringify(name)} found`, {
      code: "BUILDER_NOT_FOUND",
      status: "NotFound",
      hint: "slipway ls lists the builders; slipway create makes one",
    });
  }

  tryGet(name: string): BuilderConfig | undefined {
    if (!NAME.test(name)) return undefined;
    const text = this.#tryRead(`${name}.json`);
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as BuilderConfig;
    } catch (cause) {
      throw new BuildError(`the configuration of builder ${name} can't be read`, {
        code: "BUILDER_CONFIG_DAMAGED",
        status: "DataLoss",
        hint: `slipway rm ${name} removes it; then create it again`,
        cause,
      });
    }
  }

  /** By name. Those that can't be read are left out. */
  list(): BuilderConfig[] {
    const names = readNames(this.#folder);
    return names.flatMap((name) => {
      try {
        return this.tryGet(name) ?? [];
      } catch {
        return [];
      }
    });
  }

  /** @throws BUILDER_NAME_INVALID. */
  put(config: BuilderConfig): void {
    if (!NAME.test(config.name) || EMBEDDED.includes(config.name)) {
      throw new BuildError(`invalid builder name ${JSON.stringify(config.name)}`, {
        code: "BUILDER_NAME_INVALID",
        status: "InvalidArgument",
        hint: "a letter, then letters, digits, '.', '-' and '_'; embedded and default are taken",
      });
    }
    this.#write(`${config.name}.json`, `${JSON.stringify(config, undefined, 2)}\n`);
  }

  remove(name: string): void {
    rmSync(join(this.#folder, `${name}.json`), { force: true });
    if (this.currentName() === name) this.use("");
  }

  /** Makes it the one that commands use. */
  use(name: string): void {
    if (EMBEDDED.includes(name)) rmSync(join(this.#folder, "current"), { force: true });
    else this.#write("current", `${name}\n`);
  }

  /** A name that is not taken, as docker makes them up. */
  freeName(): string {
    for (;;) {
      const name = `${pick(ADJECTIVES)}_${pick(NOUNS)}`;
      if (this.tryGet(name) === undefined) return name;
    }
  }

  #tryRead(file: string): string | undefined {
    try {
      return readFileSync(join(this.#folder, file), "utf8");
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return undefined;
      throw error;
    }
  }

  #write(file: string, text: string): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const beside = join(this.#folder, `.${randomBytes(6).toString("hex")}`);
    writeFileSync(beside, text, { mode: 0o600 });
    renameSync(beside, join(this.#folder, file));
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder)
      .flatMap((file) => /^([^.].*)\.json$/.exec(file)?.[1] ?? [])
      .toSorted();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  }
}

const ADJECTIVES = ["brisk", "calm", "eager", "fair", "keen", "quick", "steady", "trim", "bright", "hardy"];
const NOUNS = ["barge", "cutter", "ketch", "schooner", "sloop", "tender", "trawler", "tug", "yawl", "clipper"];

function pick(words: readonly string[]): string {
  return words[randomBytes(1)[0]! % words.length]!;
}
