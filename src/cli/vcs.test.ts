import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { run } from "./test-shell.ts";

let dir = "";
let head = "";
const gitEnv = {
  PATH: process.env["PATH"]!,
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@b",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@b",
};
const git = (...args: string[]) =>
  execFileSync("git", args, { cwd: dir, env: gitEnv, stdio: "pipe" }).toString().trim();

before(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "slipway-vcs-")));
  mkdirSync(join(dir, "app"));
  writeFileSync(join(dir, "app/Dockerfile"), "FROM scratch\n");
  writeFileSync(join(dir, "Other"), "FROM scratch\n");
  git("init", "-q", "-b", "main");
});
after(() => rmSync(dir, { recursive: true, force: true }));

async function told(argv: readonly string[], env: Record<string, string> = {}): Promise<Record<string, string>> {
  const { code, stderr, builder } = await run(["build", ...argv], { cwd: dir, env: { ...gitEnv, ...env } });
  assert.equal(code, 0, stderr);
  const { FrontendAttrs: attributes } = builder.solved[0]!.request;
  return Object.fromEntries(Object.entries(attributes).filter(([key]) => /^(?:vcs|label):/.test(key)));
}

suite("what git tells of a build", () => {
  test("a repository without commits and remotes", async () => {
    assert.deepEqual(await told(["app"]), { "vcs:localdir:context": "app", "vcs:localdir:dockerfile": "app" });
  });

  test("commit, remote without its credentials, folders", async () => {
    git("add", ".");
    git("commit", "-qm", "one");
    head = git("rev-parse", "HEAD");
    git("remote", "add", "upstream", "https://me:token@example.com/up.git");
    assert.deepEqual(await told(["-f", "Other", "app"]), {
      "vcs:revision": head,
      "vcs:source": "https://example.com/up.git",
      "vcs:localdir:context": "app",
      "vcs:localdir:dockerfile": ".",
    });
    git("remote", "add", "origin", "git@example.com:me/it.git");
    assert.equal((await told(["app"]))["vcs:source"], "git@example.com:me/it.git");
    git("config", "branch.main.remote", "upstream");
    assert.equal((await told(["app"]))["vcs:source"], "https://example.com/up.git");
  });

  test("labels, changes, and neither", async () => {
    writeFileSync(join(dir, "new"), "");
    const env = { BUILDX_GIT_LABELS: "1", BUILDX_GIT_INFO: "0", BUILDX_GIT_CHECK_DIRTY: "1" };
    assert.deepEqual(await told(["app"], env), {
      "label:org.opencontainers.image.revision": `${head}-dirty`,
      "label:org.opencontainers.image.source": "https://example.com/up.git",
      "label:com.docker.image.source.entrypoint": "app/Dockerfile",
    });
    assert.deepEqual(await told(["app"], { BUILDX_GIT_INFO: "false" }), {});
  });

  test("outside of repositories", async () => {
    const outside = mkdtempSync(join(tmpdir(), "slipway-no-vcs-"));
    try {
      writeFileSync(join(outside, "Dockerfile"), "FROM scratch\n");
      assert.deepEqual(await told([outside]), {});
    } finally {
      rmSync(outside, { recursive: true, force: true });
    }
  });
});
