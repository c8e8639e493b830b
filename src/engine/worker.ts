// What runs in the engine's worker threads: every room's blocking work, by name.

import { snapshotJobs } from "../storage/snapshots/index.ts";
import { serveJobs } from "../system/workers/index.ts";
import { exporterJobs } from "./exporters/jobs.ts";
import { fileJobs } from "./ops/file-actions.ts";
import { localJobs } from "./sources/local-jobs.ts";

serveJobs({ ...snapshotJobs, ...localJobs, ...fileJobs, ...exporterJobs });
