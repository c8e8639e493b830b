// In-process work before a build, warm, best of several, in milliseconds: `node bench/readers.ts`.

import type { Digest } from "../src/base/index.ts";
import { PatternMatcher } from "../src/formats/patterns/index.ts";
import { dockerfileFrontend } from "../src/frontends/dockerfile/index.ts";

const DIGEST = `sha256:${"1".repeat(64)}` as Digest;

/** Converts 300 lines in 30 stages that all count. */
async function convertMs(): Promise<number> {
  const stage = (n: number) =>
    [
      `FROM ${n === 0 ? "alpine" : `s${n - 1}`} AS s${n}`,
      `ARG V${n}=1`,
      `ENV A${n}=$V${n}`,
      ...[1, 2, 3, 4, 5].map((step) => `RUN echo ${n}.${step} $A${n}`),
      `COPY src${n} /dst${n}`,
      `WORKDIR /w${n}`,
    ].join("\n");
  const text = new TextEncoder().encode(`${Array.from({ length: 30 }, (_, n) => stage(n)).join("\n")}\n`);
  const config = { os: "linux", architecture: "amd64", config: {}, rootfs: { type: "layers", diff_ids: [DIGEST] } };
  const encoded = new TextEncoder().encode(JSON.stringify(config));
  let fastest = Infinity;
  for (let round = 0; round < 60; round++) {
    const started = performance.now();
    // oxlint-disable-next-line no-await-in-loop -- one after the other is what is measured
    const { builds } = await dockerfileFrontend(
      {
        options: {},
        sessionId: "s",
        workerPlatforms: [{ os: "linux", architecture: "amd64" }],
        inputs: {},
        supports: () => true,
        resolveImageConfig: async (ref) => ({ ref, digest: DIGEST, config: encoded }),
        resolveSourceMetadata: async () => ({}),
        solve: async () => ({
          readFile: async (path) => {
            if (path !== "Dockerfile") throw new Error("no such file");
            return text;
          },
        }),
        warn: () => {},
      },
      new AbortController().signal,
    );
    fastest = Math.min(fastest, performance.now() - started);
    if (builds.length !== 1) throw new Error("not converted");
  }
  return fastest;
}

/** Matches 200 patterns against 100,000 paths. */
function patternsMs(): number {
  const shapes = [
    (n: number) => `**/*.ext${n}`,
    (n: number) => `dir${n}/**`,
    (n: number) => `a/b${n}/*`,
    (n: number) => `!keep${n}`,
  ];
  const matcher = new PatternMatcher(Array.from({ length: 200 }, (_, n) => shapes[n % 4]!(n)));
  const paths = Array.from({ length: 100_000 }, (_, n) => `dir${n % 400}/sub${n % 37}/file${n}.ext${n % 900}`);
  let fastest = Infinity;
  for (let round = 0; round < 3; round++) {
    const started = performance.now();
    for (const path of paths) matcher.matchesOrParentMatches(path);
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

console.log(`converting 300 lines in 30 stages: ${(await convertMs()).toFixed(1)} ms (target < 15 ms)`);
console.log(`200 ignore patterns over 100,000 paths: ${patternsMs().toFixed(0)} ms (target < 500 ms)`);
