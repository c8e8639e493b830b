// What runs in the engine's worker threads: every room's blocking work, by name.

import { snapshotJobs } from "../storage/snapshots/index.ts";
import { serveJobs } from "../system/workers/index.ts";
import { exporterJobs } from "./exporters/index.ts";
import { fileJobs } from "./ops/index.ts";
import { localJobs } from "./sources/index.ts";

serveJobs({ ...snapshotJobs, ...localJobs, ...fileJobs, ...exporterJobs });
