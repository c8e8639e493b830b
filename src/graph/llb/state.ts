// A State is a filesystem to be (the output of a vertex, or scratch) and the settings that later steps inherit: environment,
// working directory, user, network. Immutable: every operation gives a new one.
// Counterpart: moby/buildkit client/llb/state.go.

import { pb } from "../../formats/proto/index.ts";
import { normalizePlatform } from "../../formats/oci/index.ts";
import { joinPath } from "../../formats/patterns/index.ts";
import { EnvList } from "./env-list.ts";
import { ExecVertex } from "./exec.ts";
import type { ExecOptions, MountOptions } from "./exec.ts";
import { FileVertex } from "./file.ts";
import type { FileAction } from "./file.ts";
import { MergeVertex } from "./merge.ts";
import type { Platform } from "./platform.ts";
import type { OpOptions, Output } from "./vertex.ts";
import { VertexOutput } from "./vertex.ts";

/** What steps inherit. */
export interface StateSettings {
  readonly env: EnvList;
  /** Working directory, absolute. */
  readonly dir: string;
  readonly user: string;
  readonly hostname: string;
  readonly platform: Platform | undefined;
  readonly network: pb.NetMode;
  readonly security: pb.SecurityMode;
}

const DEFAULTS: StateSettings = {
  env: EnvList.empty,
  dir: "/",
  user: "",
  hostname: "",
  platform: undefined,
  network: pb.NetMode.UNSET,
  security: pb.SecurityMode.SANDBOX,
};

/** An immutable description of a filesystem and of what steps on it inherit. */
export class State {
  /** Undefined means scratch. */
  readonly output: Output | undefined;
  readonly settings: StateSettings;

  private constructor(output: Output | undefined, settings: StateSettings) {
    this.output = output;
    this.settings = output?.platform ? { ...settings, platform: normalizePlatform(output.platform) } : settings;
  }

  /** A state with default settings on an output; without one, scratch. */
  static of(output: Output | undefined): State {
    return new State(output, DEFAULTS);
  }

  static scratch(): State {
    return State.of(undefined);
  }

  /** The same settings on another filesystem. */
  withOutput(output: Output | undefined): State {
    return new State(output, this.settings);
  }

  with(changes: Partial<Omit<StateSettings, "platform">>): State {
    return this.#changed(changes);
  }

  addEnv(key: string, value: string): State {
    return this.#changed({ env: this.settings.env.set(key, value) });
  }

  /** Changes the working directory; a relative one is joined to the current. */
  inDir(path: string): State {
    return this.#changed({ dir: path.startsWith("/") ? path : joinPath(this.settings.dir || "/", path) });
  }

  onPlatform(platform: Platform): State {
    return this.#changed({ platform: normalizePlatform(platform) });
  }

  /** Runs a command on this filesystem; the result is the filesystem after it. */
  run(options: ExecOptions): State {
    const vertex = new ExecVertex(this.output, this.settings, options);
    return this.withOutput(vertex.root);
  }

  /** Runs a command with an empty writable folder at `target`; the result is that folder after it. */
  runTo(target: string, options: ExecOptions): Output {
    const folder: MountOptions = { target, source: undefined };
    const vertex = new ExecVertex(this.output, this.settings, {
      ...options,
      mounts: [...(options.mounts ?? []), folder],
    });
    return vertex.outputAt(folder);
  }

  /** Applies file actions in order. */
  file(actions: readonly FileAction[], options: OpOptions = {}): State {
    return this.withOutput(new VertexOutput(new FileVertex(this.output, this.settings.dir, actions, options)));
  }

  /** Lays states over each other, the last on top; scratch states have no effect. The first keeps its settings. */
  static merge(states: readonly State[], options: OpOptions = {}): State {
    const filled = states.filter((state) => state.output !== undefined);
    if (filled.length === 0) return State.scratch();
    if (filled.length === 1) return filled[0]!;
    const vertex = new MergeVertex(
      filled.map((state) => state.output!),
      options,
    );
    return filled[0]!.withOutput(new VertexOutput(vertex));
  }

  // Unlike the constructor, a change never takes the output's platform again.
  #changed(changes: Partial<StateSettings>): State {
    const next = new State(undefined, { ...this.settings, ...changes });
    (next as { output: Output | undefined }).output = this.output;
    return next;
  }
}
