// What a container asks to have mounted besides its root, and what that becomes. Counterpart: docker/cli opts/mount.go,
// moby/moby volume/mounts.

interface MountCommon {
  /** Path in the container, absolute. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** A mount as asked for by `-v`, `--mount`, `--tmpfs`, VOLUME of an image or a compose file. */
export type MountRequest =
  | (MountCommon & {
      readonly kind: "bind";
      /** Absolute path of this machine. */
      readonly source: string;
      /** A missing source is made as a folder (`-v`), else it is an error (`--mount`). */
      readonly createSource: boolean;
      readonly propagation?: string | undefined;
      readonly nonRecursive?: boolean | undefined;
    })
  | (MountCommon & {
      readonly kind: "volume";
      /** Empty for an anonymous one. */
      readonly name: string;
      readonly noCopy: boolean;
      readonly subpath?: string | undefined;
      readonly labels?: Readonly<Record<string, string>> | undefined;
      readonly driverOptions?: Readonly<Record<string, string>> | undefined;
    })
  | (MountCommon & {
      readonly kind: "tmpfs";
      readonly sizeBytes?: number | undefined;
      readonly mode?: number | undefined;
      /** As mount(8) has them: `noexec,size=64m`. */
      readonly options?: string | undefined;
    });

/** A mount as it is in a container: what the runtime mounts, and what `inspect` says. */
export interface ContainerMount {
  readonly kind: "bind" | "volume" | "tmpfs";
  /** Path of this machine; empty for tmpfs. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Options of the runtime's mount: `rbind`, `ro`, `size=…`. */
  readonly options: readonly string[];
  readonly volumeName?: string | undefined;
  /** An anonymous volume: goes with `--rm` and `rm -v`. */
  readonly anonymous?: boolean | undefined;
  readonly propagation?: string | undefined;
  /** A part of this volume's folder, which `source` must not lead out of. */
  readonly within?: string | undefined;
}

export interface MountAsker {
  /** State root. */
  readonly root: string;
  readonly containerId: string;
  /** The container's whole root, mounted: initial content of volumes comes from it. Read within it only. */
  readonly imageRoot: string;
}
