// `npm run fuzz -- [SECONDS]`: the properties of the Dockerfile readers, in turn with fresh seeds until the time is up, then inputs of
// 10 MB. A failure prints the shrunk input and the seed that finds it again; the exit code is 1 then.

import { LARGE_INPUTS } from "./large-inputs.ts";
import { PROPERTIES } from "./dockerfile-properties.ts";

const seconds = Number(process.argv[2] ?? 60);
if (!(seconds > 0)) {
  console.error("usage: npm run fuzz -- [SECONDS]");
  process.exit(2);
}
const until = Date.now() + seconds * 1000;
const rounds = new Map<string, number>();
while (Date.now() < until) {
  for (const [name, check] of Object.entries(PROPERTIES)) {
    if (Date.now() >= until) break;
    check(500);
    rounds.set(name, (rounds.get(name) ?? 0) + 500);
  }
}
for (const [name, count] of rounds) console.log(`ok  ${count} inputs: ${name}`);
// Doubled until 10 MB; what grows far faster than its input is stopped there and reported.
const sizes = [1_250_000, 2_500_000, 5_000_000, 10_000_000];
for (const [name, work] of Object.entries(LARGE_INPUTS)) {
  let before = Infinity;
  for (const size of sizes) {
    const started = performance.now();
    work(size);
    const took = performance.now() - started;
    const isTooSlow = took > 2000 && took > 3 * before;
    console.log(`${isTooSlow ? "SLOW" : "ok "} ${Math.round(took)} ms for ${size / 1_000_000} MB: ${name}`);
    before = took;
    if (!isTooSlow) continue;
    process.exitCode = 1;
    break;
  }
}
