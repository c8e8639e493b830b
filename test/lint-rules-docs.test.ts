// Every lint rule has a page whose examples are true: the bad one is found by the rule, the good one is clean. Both go through
// the frontend's own lint subrequest, against a registry in memory.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Digest } from "../src/base/index.ts";
import { dockerfileFrontend } from "../src/frontends/dockerfile/index.ts";
import { LINT_RULES } from "../src/frontends/dockerfile/lint/rules.ts";

const PAGES = new URL("../docs/rules/", import.meta.url);
const DIGEST = `sha256:${"1".repeat(64)}` as Digest;

/** Names of the rules that a Dockerfile violates on linux/amd64. */
async function violated(dockerfile: string, ignore: string): Promise<string[]> {
  const { metadata } = await dockerfileFrontend(
    {
      options: { requestid: "frontend.lint", "build-arg:TAG": "latest" },
      sessionId: "s",
      workerPlatforms: [{ os: "linux", architecture: "amd64" }],
      inputs: {},
      supports: () => true,
      resolveImageConfig: async (ref) => {
        const architecture = ref.includes("arm64v8/") ? "arm64" : "amd64";
        const config = { os: "linux", architecture, config: {}, rootfs: { type: "layers", diff_ids: [DIGEST] } };
        return { ref, digest: DIGEST, config: new TextEncoder().encode(JSON.stringify(config)) };
      },
      resolveSourceMetadata: async () => ({}),
      solve: async () => ({
        readFile: async (path) => {
          const text = { Dockerfile: dockerfile, ".dockerignore": ignore }[path];
          if (text === undefined || text === "") throw new Error("no such file");
          return new TextEncoder().encode(text);
        },
      }),
      warn: () => {},
    },
    new AbortController().signal,
  );
  const { warnings, buildError } = JSON.parse(new TextDecoder().decode(metadata.get("result.json"))) as {
    warnings: { ruleName: string }[] | null;
    buildError?: { message: string };
  };
  assert.equal(buildError, undefined);
  return (warnings ?? []).map(({ ruleName }) => ruleName);
}

for (const name of Object.keys(LINT_RULES)) {
  test(`docs/rules/${name}.md`, async () => {
    const page = readFileSync(new URL(`${name}.md`, PAGES), "utf8");
    const block = (pattern: RegExp) => pattern.exec(page)?.[1];
    const bad = block(/## Bad\n\n```dockerfile\n([\s\S]*?)```/);
    const good = block(/## Good\n\n```dockerfile\n([\s\S]*?)```/);
    assert.ok(bad !== undefined && good !== undefined, "an example is missing");
    const ignore = block(/```dockerignore\n([\s\S]*?)```/) ?? "";
    assert.deepEqual(new Set(await violated(bad, ignore)), new Set([name]));
    assert.deepEqual(await violated(good, ignore), []);
    const isExperimental = "experimental" in LINT_RULES[name as keyof typeof LINT_RULES];
    if (!isExperimental) assert.deepEqual(await violated(`# check=skip=${name}\n${bad}`, ignore), []);
    assert.match(page, /^## How to skip it$/m);
  });
}

test("the index lists every page, and there is no page without a rule", () => {
  const names = Object.keys(LINT_RULES).toSorted();
  const index = readFileSync(new URL("README.md", PAGES), "utf8");
  assert.deepEqual(
    Array.from(index.matchAll(/^\| \[(\w+)\]\(\1\.md\)/gm), ([, name]) => name),
    names,
  );
  assert.deepEqual(readdirSync(PAGES).toSorted(), ["README.md", ...names.map((name) => `${name}.md`)].toSorted());
});
