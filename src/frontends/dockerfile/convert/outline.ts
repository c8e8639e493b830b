// What a target can be given: arguments, secrets, ssh sockets. Collected while converting, shown by the outline subrequest.
// Counterpart: frontend/dockerfile/dockerfile2llb/outline.go.

import type { ArgPair } from "../instructions/types.ts";
import type { Location } from "../source-error.ts";

export interface ArgInfo {
  readonly definition: ArgPair;
  readonly value: string;
  /** Other arguments that the default is made from. */
  readonly deps: ReadonlySet<string>;
  readonly location: Location;
}

export interface MountInfo {
  readonly location: Location;
  readonly required: boolean;
}

export class Outline {
  readonly allArgs: Map<string, ArgInfo>;
  readonly usedArgs: Set<string>;
  readonly secrets: Map<string, MountInfo>;
  readonly ssh: Map<string, MountInfo>;

  constructor(from?: Outline) {
    this.allArgs = new Map(from?.allArgs);
    this.usedArgs = new Set(from?.usedArgs);
    this.secrets = new Map(from?.secrets);
    this.ssh = new Map(from?.ssh);
  }

  clone(): Outline {
    return new Outline(this);
  }
}
