// The instructions of a Dockerfile after their flags and arguments are read, before variables are expanded. Expansion
// changes them in place: an instruction object belongs to one conversion.
// Counterpart: moby/buildkit frontend/dockerfile/instructions/commands.go.

import type { Location } from "../source-error.ts";

interface Base {
  /** The instruction word as written. */
  readonly name: string;
  /** The source line, trimmed. */
  readonly code: string;
  readonly location: Location;
  readonly comments: readonly string[] | undefined;
}

export interface KeyValue {
  key: string;
  value: string;
  /** The old form `NAME value`. */
  readonly noDelim: boolean;
}

/** One variable of ARG. */
export interface ArgPair {
  key: string;
  value: string | undefined;
  readonly docComment: string;
}

/** A file whose text stands in the Dockerfile. */
export interface SourceContent {
  readonly path: string;
  data: string;
  readonly expand: boolean;
}

export interface SourcesAndDest {
  dest: string;
  readonly sources: string[];
  readonly contents: SourceContent[];
}

export interface InlineFile {
  readonly name: string;
  readonly data: string;
  readonly chomp: boolean;
}

/** A command line in exec or shell form. */
export interface CommandLine {
  readonly args: readonly string[];
  readonly files: readonly InlineFile[];
  /** Shell form. */
  readonly prependShell: boolean;
}

export interface EnvCommand extends Base {
  readonly kind: "env";
  readonly env: KeyValue[];
}
export interface MaintainerCommand extends Base {
  readonly kind: "maintainer";
  readonly maintainer: string;
}
export interface LabelCommand extends Base {
  readonly kind: "label";
  readonly labels: KeyValue[];
}
export interface AddCommand extends Base {
  readonly kind: "add";
  readonly files: SourcesAndDest;
  chown: string;
  chmod: string;
  checksum: string;
  readonly link: boolean;
  readonly keepGitDir: boolean | undefined;
  readonly unpack: boolean | undefined;
  readonly exclude: readonly string[];
}
export interface CopyCommand extends Base {
  readonly kind: "copy";
  readonly files: SourcesAndDest;
  readonly from: string;
  chown: string;
  chmod: string;
  readonly link: boolean;
  readonly parents: boolean;
  readonly exclude: readonly string[];
}
export interface OnbuildCommand extends Base {
  readonly kind: "onbuild";
  readonly expression: string;
}
export interface WorkdirCommand extends Base {
  readonly kind: "workdir";
  path: string;
}
export interface RunCommand extends Base {
  readonly kind: "run";
  readonly command: CommandLine;
  readonly mountFlags: readonly string[];
  mounts: Mount[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
  readonly devices: readonly string[];
}
export interface CmdCommand extends Base {
  readonly kind: "cmd";
  readonly command: CommandLine;
}
export interface EntrypointCommand extends Base {
  readonly kind: "entrypoint";
  readonly command: CommandLine;
}
export interface HealthcheckCommand extends Base {
  readonly kind: "healthcheck";
  readonly health: Healthcheck;
}
export interface ExposeCommand extends Base {
  readonly kind: "expose";
  readonly ports: readonly string[];
}
export interface UserCommand extends Base {
  readonly kind: "user";
  user: string;
}
export interface VolumeCommand extends Base {
  readonly kind: "volume";
  readonly volumes: string[];
}
export interface StopSignalCommand extends Base {
  readonly kind: "stopsignal";
  signal: string;
}
export interface ArgCommand extends Base {
  readonly kind: "arg";
  readonly args: ArgPair[];
}
export interface ShellCommand extends Base {
  readonly kind: "shell";
  readonly shell: readonly string[];
}

export type Command =
  | EnvCommand
  | MaintainerCommand
  | LabelCommand
  | AddCommand
  | CopyCommand
  | OnbuildCommand
  | WorkdirCommand
  | RunCommand
  | CmdCommand
  | EntrypointCommand
  | HealthcheckCommand
  | ExposeCommand
  | UserCommand
  | VolumeCommand
  | StopSignalCommand
  | ArgCommand
  | ShellCommand;

/** A FROM instruction and what follows it. */
export interface Stage {
  readonly kind: "from";
  readonly name: string;
  readonly baseName: string;
  /** The value of --platform, "" without. */
  readonly platform: string;
  /** The word FROM as written. */
  readonly instruction: string;
  readonly code: string;
  readonly location: Location;
  readonly comments: readonly string[] | undefined;
  readonly docComment: string;
  readonly commands: Command[];
}

export interface Healthcheck {
  readonly test: readonly string[];
  readonly intervalNs: bigint;
  readonly timeoutNs: bigint;
  readonly startPeriodNs: bigint;
  readonly startIntervalNs: bigint;
  readonly retries: number;
}

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";

/** A mount of RUN. */
export interface Mount {
  type: MountType;
  from: string;
  source: string;
  target: string;
  readOnly: boolean;
  sizeBytes: bigint;
  id: string;
  sharing: "" | "shared" | "private" | "locked";
  required: boolean;
  env: string | undefined;
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
}

/** Expands the variables of one word. */
export type Expander = (word: string) => string;
