// What a build says while it runs: its progress in a file, and how far it is.

import type { Digest } from "../../base/index.ts";
import type { control } from "../../formats/proto/index.ts";
import { StatusLog } from "./status-log.ts";

export interface StepCounts {
  readonly total: number;
  readonly completed: number;
  readonly cached: number;
  readonly warnings: number;
}

export class BuildLog {
  readonly ref: string;
  readonly startedMs = Date.now();
  readonly log: StatusLog;
  readonly #steps = new Map<string, { completed: boolean; cached: boolean }>();
  #warnings = 0;
  #ended = false;

  /** @throws as node's fs. */
  constructor(ref: string, logFile: string) {
    this.ref = ref;
    this.log = new StatusLog(logFile);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get counts(): StepCounts {
    const steps = [...this.#steps.values()];
    return {
      total: steps.length,
      completed: steps.filter(({ completed }) => completed).length,
      cached: steps.filter(({ cached }) => cached).length,
      warnings: this.#warnings,
    };
  }

  tell(status: control.StatusResponse): void {
    for (const { digest, completed, cached } of status.vertexes) {
      this.#steps.set(digest, { completed: completed !== undefined, cached });
    }
    this.#warnings += status.warnings.length;
    this.log.append(status);
  }

  /** Returns the digest of the log. */
  end(): Digest {
    this.#ended = true;
    return this.log.end();
  }
}
