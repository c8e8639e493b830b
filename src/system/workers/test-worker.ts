// The jobs that the pool's test runs.

import { BuildError } from "../../base/index.ts";
import { serveJobs, throwIfAborted } from "./index.ts";

serveJobs({
  double: (input: number) => input * 2,
  later: async (input: number) => await Promise.resolve(input + 1),
  steps: (count: number, context) => {
    for (let step = 0; step < count; step++) context.progress(step);
    return count;
  },
  spin: (_input: unknown, context) => {
    context.progress("started");
    for (;;) throwIfAborted(context);
  },
  refuse: () => {
    throw new BuildError("no such thing", {
      code: "NOT_THERE",
      status: "NotFound",
      hint: "look elsewhere",
      cause: Object.assign(new Error("ENOENT: x"), { code: "ENOENT", path: "/x" }),
    });
  },
  system: () => {
    throw Object.assign(new Error("EACCES: y"), { code: "EACCES", syscall: "open" });
  },
  die: () => process.exit(7),
});
