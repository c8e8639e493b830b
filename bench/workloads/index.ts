// Every workload, in the table's order.

import type { Workload } from "../harness/types.ts";
import { jobWorkloads } from "./jobs.ts";
import { layerWorkloads } from "./layers.ts";
import { smallWorkloads } from "./small.ts";
import { storeWorkloads } from "./stores.ts";
import { treeWorkloads } from "./trees.ts";

export function allWorkloads(isQuick: boolean): Workload[] {
  return [
    ...smallWorkloads(isQuick),
    ...treeWorkloads(isQuick),
    ...layerWorkloads(isQuick),
    ...storeWorkloads(isQuick),
    ...jobWorkloads(isQuick),
  ];
}
