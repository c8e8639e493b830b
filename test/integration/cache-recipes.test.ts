// The recipes of docs/caching.md, read from the page and run as a runner runs them: a fresh checkout and an empty store for each job,
// what the cache services keep between them as plain copies, and a second job that must take every step from the first one's cache.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse } from "yaml";
import { CacheBench, openPackedCaches } from "../conformance/harness/cache-case.ts";

const home = join(import.meta.dirname, "../..");
const page = readFileSync(join(home, "docs/caching.md"), "utf8");
let bench: CacheBench;
before(async () => {
  bench = await CacheBench.open(openPackedCaches());
});
after(() => bench[Symbol.asyncDispose]());

/** The first block of code below a heading. */
function recipe(heading: string): string {
  const section = page.split(/^### /m).find((each) => each.startsWith(`${heading}\n`));
  const code = /^```\w+\n([\s\S]*?)^```$/m.exec(section ?? "")?.[1];
  assert.ok(code !== undefined, heading);
  return code;
}

/** A checkout whose build copies all of it, and writes into a cache mount. */
function checkout(line: string, services: readonly string[] = ["."]): string {
  const dir = mkdtempSync(join(bench.home, "checkout-"));
  for (const service of services) {
    const context = join(dir, service);
    mkdirSync(context, { recursive: true });
    const steps = ["COPY . /src", "RUN wc -c /src/line > /count"];
    if (services.length === 1)
      steps.push("RUN --mount=type=cache,id=seen,target=/seen cat /src/line >> /seen/lines && cat /seen/lines");
    const from = `FROM ${bench.registry.host}/busybox:1.35`;
    writeFileSync(join(context, "Dockerfile"), [from, ...steps].join("\n"));
    writeFileSync(join(context, "line"), `${service} ${line}\n`);
    writeFileSync(join(context, ".dockerignore"), ".slipway-cache\n");
  }
  return dir;
}

interface Done {
  readonly cached: number;
  readonly output: string;
}

/** Runs a script as a runner does, `slipway` on its path; on an empty store unless the script says which. */
async function runScript(script: string, cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Done> {
  const state = mkdtempSync(join(bench.home, "state-"));
  const { promise, resolve, reject } = Promise.withResolvers<Done>();
  const vars: NodeJS.ProcessEnv = { ...process.env, SLIPWAY_ROOT: state, ...env };
  vars["PATH"] = `${home}:${vars["PATH"]}`;
  delete vars["SLIPWAY_NAMESPACE"];
  execFile("sh", ["-euc", script], { cwd, env: vars }, (error, stdout, stderr) => {
    if (error !== null) return reject(new Error(`${script}\n${stdout}${stderr}`));
    resolve({ cached: cachedSteps(stderr), output: stderr });
  });
  const done = await promise;
  for (const root of [state, env["SLIPWAY_ROOT"]])
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  return done;
}

function cachedSteps(output: string): number {
  return [...output.matchAll(/^(#\d+) \[.*\] (?:COPY|RUN) .*\n(?:.*\n)*?\1 (\w+)/gm)].filter(
    ([, , state]) => state === "CACHED",
  ).length;
}

test("GitHub Actions: a branch begins with what main left, and finds its own next time", async () => {
  const [cacheStep, runStep] = parse(recipe("GitHub Actions")) as [
    { with: { path: string; key: string; "restore-keys": string } },
    { run: string },
  ];
  const folder = join(bench.home, "actions-cache");
  const saved: { key: string; dir: string }[] = [];
  const job = async (branch: string, runId: number, line: string): Promise<Done> => {
    const filled = (text: string) =>
      text
        .replaceAll("${{ github.ref_name }}", branch)
        .replaceAll("${{ github.run_id }}", String(runId))
        .replaceAll(cacheStep.with.path, folder);
    rmSync(folder, { recursive: true, force: true });
    const keys = filled(cacheStep.with["restore-keys"]).trim().split("\n");
    const found = keys.map((prefix) => saved.findLast(({ key }) => key.startsWith(prefix))).find(Boolean);
    if (found !== undefined) cpSync(found.dir, folder, { recursive: true });
    const done = await runScript(filled(runStep.run), checkout(line));
    const dir = join(bench.home, `actions-saved-${saved.length}`);
    cpSync(folder, dir, { recursive: true });
    saved.push({ key: filled(cacheStep.with.key), dir });
    return done;
  };
  assert.equal((await job("main", 1, "one")).cached, 0);
  assert.equal((await job("feature", 2, "one")).cached, 3);
  const changed = await job("feature", 3, "two");
  assert.equal(changed.cached, 0);
  assert.match(changed.output, /\. one\n(.*\n)*?.*\. two\n/, "the cache mount came along");
  assert.equal((await job("feature", 4, "two")).cached, 3);
});

test("GitLab CI: the cache of the branch, else that of main", async () => {
  const { build } = parse(recipe("GitLab CI")) as {
    build: {
      variables: { SLIPWAY_ROOT: string };
      cache: { key: string; fallback_keys: string[]; when: string; paths: string[] };
      script: string[];
    };
  };
  assert.equal(build.cache.when, "always");
  const path = build.cache.paths[0]!.replace(/\/$/, "");
  const saved = new Map<string, string>();
  const job = async (branch: string, line: string): Promise<Done> => {
    const dir = checkout(line);
    const key = build.cache.key.replace("$CI_COMMIT_REF_SLUG", branch);
    const found = [key, ...build.cache.fallback_keys].map((each) => saved.get(each)).find((each) => each !== undefined);
    if (found !== undefined) cpSync(found, join(dir, path), { recursive: true });
    const root = mkdtempSync(join(bench.home, "gitlab-"));
    const done = await runScript(build.script.join("\n"), dir, { SLIPWAY_ROOT: root });
    const kept = join(bench.home, `gitlab-saved-${saved.size}-${branch}`);
    rmSync(kept, { recursive: true, force: true });
    cpSync(join(dir, path), kept, { recursive: true });
    saved.set(key, kept);
    return done;
  };
  assert.equal((await job("main", "one")).cached, 0);
  assert.equal((await job("feature", "one")).cached, 3);
  const changed = await job("feature", "two");
  assert.equal(changed.cached, 0);
  assert.match(changed.output, /\. one\n(.*\n)*?.*\. two\n/, "the cache mount came along");
});

test("plain runners share a cache in a registry", async () => {
  const script = recipe("Plain runners, with a registry").replaceAll("registry.example.com", bench.registry.host);
  assert.equal((await runScript(script, checkout("one"))).cached, 0);
  assert.equal((await runScript(script, checkout("one"))).cached, 3);
});

test("several images in turn go to one folder", async () => {
  const script = recipe("Several images, one folder");
  const services = ["api", "web", "worker"];
  const first = checkout("one", services);
  assert.equal((await runScript(script, first)).cached, 0);
  const second = checkout("one", services);
  cpSync(join(first, ".cache"), join(second, ".cache"), { recursive: true });
  assert.equal((await runScript(script, second)).cached, 6);
  assert.ok(existsSync(join(second, ".cache/index.json")));
});
