// What `slipway doctor` says of containers: whether the supervisor is there, and how many of it run.

import { ContainerStore } from "./container-store.ts";
import { lookAt } from "./state.ts";
import { supervisorProgram } from "./supervisor.ts";
import { isBuildError } from "../../base/index.ts";

/** As the findings of the machine: see service/doctor. */
export interface ContainerFinding {
  readonly area: string;
  readonly state: "good" | "slow" | "missing";
  readonly text: string;
  readonly cost?: string;
  readonly remedy?: string;
}

/** @param root where the state is, or will be. */
export function containerFindings(root: string): ContainerFinding[] {
  const store = new ContainerStore(root);
  const ids = store.ids();
  const running = ids.filter((id) => lookAt(store.dir(id)).alive).length;
  try {
    supervisorProgram();
    return [{ area: "containers", state: "good", text: `${running} running, ${ids.length - running} not` }];
  } catch (error) {
    if (!isBuildError(error)) throw error;
    return [
      {
        area: "containers",
        state: "missing",
        text: error.message,
        cost: "slipway run and compose can't start any",
        ...(error.hint === undefined ? {} : { remedy: error.hint }),
      },
    ];
  }
}
