// Where the engine's worker threads begin. Apart from the engine, so that a thread can be started before the engine is loaded.

/** The module of the engine's workers: beside the bundle where there is one, else the source. */
export function engineWorkerEntry(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("../worker.ts", import.meta.url)
    : new URL("./worker.js", import.meta.url);
}
