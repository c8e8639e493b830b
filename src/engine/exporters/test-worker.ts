// The worker of this room's tests.

import { serveJobs } from "../../system/workers/index.ts";
import { exporterJobs } from "./index.ts";

serveJobs(exporterJobs);
