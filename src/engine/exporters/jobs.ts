// The room's blocking work by name, for worker threads; each is a plain function as well.

import type { Job } from "../../system/workers/index.ts";
import { copyTrees } from "./copy-tree.ts";
import { writeTreeTar } from "./tree-tar.ts";
import { writeArchive } from "./write-archive.ts";
import { writeLayoutBlobs } from "./write-layout.ts";

export const exporterJobs: Readonly<Record<string, Job>> = { copyTrees, writeTreeTar, writeArchive, writeLayoutBlobs };
