// `slipway bake` with the real engine: targets that stand on each other, shared steps, failures, what it asks leave for.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "slipway-e2e-bake-"));
after(() => rmSync(home, { recursive: true, force: true }));

function project(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(home, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, "base"), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "base/busybox"));
  return root;
}

function bake(cwd: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, "bake", "--progress=plain", ...argv], {
    encoding: "utf8",
    cwd,
    input: "",
    env: { PATH: process.env["PATH"], SLIPWAY_ROOT: join(home, "state"), SLIPWAY_NAMESPACE: "private", ...env },
  });
  return { status, stdout, stderr };
}

const base = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; echo made of base > /base.txt"]
`;
const shell = 'SHELL ["/bin/busybox", "sh", "-c"]\n';

suite("bake", () => {
  test("targets stand on each other: by a target: context, and by the image that the other makes", () => {
    const root = project("links", {
      "docker-bake.hcl": `
        group "default" { targets = ["app", "web"] }
        target "base" {
          context = "base"
          tags = ["example.invalid/proj/base:dev"]
        }
        target "app" {
          contexts = { start = "target:base" }
          dockerfile-inline = "FROM start\\nCOPY --from=start /base.txt /copied.txt\\n"
          output = ["out/app"]
        }
        target "web" {
          dockerfile-inline = "ARG TAG=dev\\nFROM example.invalid/proj/base:$TAG\\n${shell.trim().replaceAll('"', '\\"')}\\nRUN cat /base.txt > /web.txt"
          output = ["type=local,dest=out/web"]
        }`,
      "base/Dockerfile": base,
    });
    const { status, stderr } = bake(root, ["default", "base", "--metadata-file=meta.json"]);
    assert.equal(status, 0, stderr);
    assert.equal(readFileSync(join(root, "out/app/copied.txt"), "utf8"), "made of base\n");
    assert.equal(readFileSync(join(root, "out/web/web.txt"), "utf8"), "made of base\n");
    const runs = stderr.split("\n").filter((line) => /^#\d+ \[\w+ \d\/\d\] RUN .*made of base/.test(line));
    assert.equal(new Set(runs.map((line) => line.split(" ")[0])).size, 1, "the base's step runs once");
    assert.match(runs[0]!, /\[base 3\/3\]|\[base 2\/2\]/);
    const metadata = JSON.parse(readFileSync(join(root, "meta.json"), "utf8")) as Record<string, object>;
    assert.deepEqual(Object.keys(metadata), ["app", "base", "web"]);
    assert.match(JSON.stringify(metadata["base"]), /"containerimage.digest":"sha256:/);
  });

  test("images are looked up in their registry with --link-images=false", () => {
    const root = project("unlinked", {
      "docker-bake.hcl": `
        target "base" {
          context = "base"
          tags = ["127.0.0.1:1/base"]
        }
        target "app" { dockerfile-inline = "FROM 127.0.0.1:1/base" }`,
      "base/Dockerfile": base,
    });
    const run = (...argv: string[]) => bake(root, ["app", ...argv], { SLIPWAY_ROOT: join(root, "state") });
    const { status, stderr } = run("base", "--link-images=false", "--set=base.tags=");
    assert.equal(status, 1);
    assert.match(stderr, /ERROR: target app: failed to solve: .*127\.0\.0\.1:1/);
    assert.equal(run("base").status, 0);
  });

  test("a target that fails stops no other, and every failure is told", () => {
    const root = project("failures", {
      "docker-bake.hcl": `
        group "default" { targets = ["a", "b", "good"] }
        target "base" { context = "base" }
        target "a" {
          contexts = { base = "target:base" }
          dockerfile-inline = <<EOT
          FROM base
          RUN exit 3
          EOT
        }
        target "b" {
          contexts = { base = "target:base" }
          dockerfile-inline = <<EOT
          FROM base
          RUN exit 4
          EOT
        }
        target "good" {
          contexts = { base = "target:base" }
          dockerfile-inline = "FROM base"
          output = ["type=tar,dest=good.tar"]
        }`,
      "base/Dockerfile": `${base}RUN ["/bin/busybox", "ln", "-sf", "/bin/busybox", "/bin/sh"]\n`,
    });
    const { status, stderr } = bake(root, []);
    assert.equal(status, 1);
    assert.match(stderr, /ERROR: target a: failed to solve: .*exit code: 3/);
    assert.match(stderr, /ERROR: target b: failed to solve: .*exit code: 4/);
    assert.ok(readFileSync(join(root, "good.tar")).length > 1000);
  });

  test("files outside the working directory are read and written only with leave", () => {
    const root = project("leave", {
      "sub/docker-bake.hcl": `target "default" {
        context = "../base"
        output = ["../elsewhere"]
      }`,
      "base/Dockerfile": "FROM scratch\nCOPY Dockerfile /d\n",
    });
    const cwd = join(root, "sub");
    const refused = bake(cwd, []);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, / - Read access to path \.\.\/base\n/);
    assert.match(refused.stderr, /--allow=fs\.read=\.\.\/base/);
    assert.match(refused.stderr, /ERROR: additional privileges requested\n$/);
    assert.equal(bake(cwd, ["--allow=fs.read=../base", "--allow=fs.write=.."]).status, 0);
    assert.match(readFileSync(join(root, "elsewhere/d"), "utf8"), /^FROM scratch/);
    assert.equal(bake(cwd, [], { BUILDX_BAKE_ENTITLEMENTS_FS: "0" }).status, 0);
  });

  test("targets that need each other's images are refused with the remedy", () => {
    const root = project("cycle", {
      "docker-bake.hcl": `
        group "default" { targets = ["a", "b"] }
        target "a" {
          dockerfile-inline = "FROM b:1"
          tags = ["a:1"]
        }
        target "b" {
          dockerfile-inline = "FROM a:1"
          tags = ["b:1"]
        }`,
    });
    const { status, stderr } = bake(root, []);
    assert.equal(status, 1);
    assert.match(stderr, /targets need each other: a needs b needs a\nhint: with --link-images=false/);
  });
});
