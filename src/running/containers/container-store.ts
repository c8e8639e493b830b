// Containers on disk: a folder each, a file for each name. What was asked for is in `config.json`, written once at creation and again
// by rename alone; what is now is in `state`, the supervisor's file. A container exists when its config.json does.

import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import { lockFile } from "../../system/linux/index.ts";
import type { Endpoint, PublishedPort } from "../networks/index.ts";
import type { ContainerMount } from "../volumes/index.ts";
import type { ContainerConfig, ContainerImage, Container } from "./types.ts";

/** `config.json`: everything that does not change while the container lives, and what its last start gave it. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  readonly config: ContainerConfig;
  readonly image: ContainerImage;
  readonly path: string;
  readonly args: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly effective: Container["effective"];
  readonly mounts: readonly ContainerMount[];
  /** Folders of the image's layers, top first. */
  readonly lower: readonly string[];
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
}

export class ContainerStore {
  /** State root. */
  readonly root: string;
  readonly folder: string;

  constructor(root: string) {
    this.root = root;
    this.folder = join(root, "containers");
  }

  dir(id: string): string {
    return join(this.folder, id);
  }

  get eventsPath(): string {
    return join(this.folder, "events");
  }

  ids(): string[] {
    try {
      return readdirSync(this.folder).filter((name) => /^[0-9a-f]{64}$/.test(name));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  }

  /** Undefined where there is none, or only the beginning of one. */
  read(id: string): ContainerRecord | undefined {
    try {
      return JSON.parse(readFileSync(join(this.dir(id), "config.json"), "utf8")) as ContainerRecord;
    } catch (error) {
      if (errnoOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  write(record: ContainerRecord): void {
    const path = join(this.dir(record.id), "config.json");
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  all(): ContainerRecord[] {
    return this.ids().flatMap((id) => this.read(id) ?? []);
  }

  /** By name, id, or the unique beginning of an id. @throws CONTAINER_UNKNOWN, CONTAINER_AMBIGUOUS. */
  find(text: string): ContainerRecord {
    const name = text.replace(/^\//, "");
    const byName = isName(name) ? this.#named(name) : undefined;
    if (byName !== undefined) return byName;
    const matches = /^[0-9a-f]{1,64}$/.test(text) ? this.ids().filter((id) => id.startsWith(text)) : [];
    if (matches.length > 1) {
      throw new BuildError(`Multiple IDs found with provided prefix: ${text}`, {
        code: "CONTAINER_AMBIGUOUS",
        status: "InvalidArgument",
      });
    }
    const found = matches[0] === undefined ? undefined : this.read(matches[0]);
    if (found === undefined) throw unknown(text);
    return found;
  }

  /**
   * Gives a container its name, or throws.
   * @throws CONTAINER_NAME_TAKEN, CONTAINER_NAME_INVALID.
   */
  claimName(name: string, id: string): void {
    if (!isName(name)) {
      throw new BuildError(
        `Invalid container name (${name.slice(0, 200)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
        { code: "CONTAINER_NAME_INVALID", status: "InvalidArgument" },
      );
    }
    mkdirSync(join(this.folder, "names"), { recursive: true, mode: 0o700 });
    const path = join(this.folder, "names", name);
    for (let attempt = 0; ; attempt++) {
      try {
        // A link to a whole file: nobody ever sees a name without its id.
        linkSync(this.#idFile(id), path);
        return;
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
      }
      const holder = this.#holder(name);
      if (holder !== undefined && (attempt > 0 || this.read(holder) !== undefined || this.isBeingMade(holder))) {
        throw new BuildError(
          `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
            "You have to remove (or rename) that container to be able to reuse that name.",
          { code: "CONTAINER_NAME_TAKEN", status: "AlreadyExists" },
        );
      }
      // Left by one that is gone.
      rmSync(path, { force: true });
    }
  }

  freeName(name: string, id: string): void {
    if (this.#holder(name) === id) rmSync(join(this.folder, "names", name), { force: true });
  }

  namePath(name: string): string {
    return join(this.folder, "names", name);
  }

  names(): string[] {
    try {
      return readdirSync(join(this.folder, "names"));
    } catch {
      return [];
    }
  }

  /** Another process is making it: its folder has the maker's lock. */
  isBeingMade(id: string): boolean {
    return isLocked(join(this.dir(id), "making"));
  }

  #idFile(id: string): string {
    const path = join(this.dir(id), "id");
    if (!existsSync(path)) writeFileSync(path, id, { mode: 0o600 });
    return path;
  }

  #named(name: string): ContainerRecord | undefined {
    const id = this.#holder(name);
    const record = id === undefined ? undefined : this.read(id);
    return record?.name === name ? record : undefined;
  }

  #holder(name: string): string | undefined {
    try {
      const id = readFileSync(this.namePath(name), "utf8");
      return /^[0-9a-f]{64}$/.test(id) ? id : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Whether some process holds the exclusive lock of a file. */
export function isLocked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return false;
  }
  try {
    return !lockFile(fd, "shared");
  } finally {
    closeSync(fd);
  }
}

function unknown(text: string): BuildError {
  return new BuildError(`No such container: ${text}`, { code: "CONTAINER_UNKNOWN", status: "NotFound" });
}

function isName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) && name.length <= 255;
}
