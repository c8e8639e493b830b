// Build contexts of every kind, main and named, from real git, a real web server and standard input.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { gitHandler, SshServer, TestRepository, withoutGit, withoutSshd } from "./git-server.ts";
import { SourceBench, WebServer } from "./source-bench.ts";

const DOCKERFILE = "FROM scratch\nCOPY . /\n";

function hasTool(name: string): boolean {
  return spawnSync(name, ["--version"]).status === 0;
}

function repositoryOf(bench: SourceBench): TestRepository {
  const repository = new TestRepository(join(bench.home, "repos/app.git"));
  repository.commit({
    Dockerfile: DOCKERFILE,
    "other.Dockerfile": "FROM scratch\nCOPY file /other\n",
    file: "main\n",
    "dir/Dockerfile": "FROM scratch\nCOPY inner /\n",
    "dir/inner": "inner\n",
  });
  repository.git("checkout", "--quiet", "-b", "side");
  repository.commit({ file: "side\n" });
  repository.git("checkout", "--quiet", "main");
  return repository;
}

suite("git contexts", { skip: withoutGit() }, () => {
  test("over http: refs, subdirs, queries, Dockerfiles from inside, outside and standard input", async () => {
    using bench = new SourceBench();
    repositoryOf(bench);
    await using web = await WebServer.start(gitHandler(join(bench.home, "repos")));
    const url = `${web.url}/app.git`;
    const outside = bench.folder("outside", { Dockerfile: "FROM scratch\nCOPY file /outside\n" });
    const cases: [readonly string[], string, string, string?][] = [
      [[url], "file", "main\n"],
      [[`${url}#side`], "file", "side\n"],
      [[`${url}#main:dir`], "inner", "inner\n"],
      [[`${url}?branch=side&subdir=dir`], "inner", "inner\n"],
      [["-f", "other.Dockerfile", url], "other", "main\n"],
      [["-f", join(outside, "Dockerfile"), `${url}#side`], "outside", "side\n"],
      [["-f", "-", url], "stdin", "main\n", "FROM scratch\nCOPY file /stdin\n"],
    ];
    for (const [argv, path, text, stdin] of cases) {
      const made = await bench.build(argv, stdin === undefined ? {} : { stdin });
      assert.equal(made.code, 0, made.output);
      assert.equal(made.read(path), text, argv.join(" "));
    }
    // On a store of its own: times are no content, an equal tree of other times would be taken from the cache.
    const timed = await bench.build([`${url}?mtime=commit`], { root: join(bench.home, "timed") });
    assert.equal(lstatSync(join(timed.out, "file")).mtimeMs, 1_700_000_000_000);
    const kept = await bench.build(["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", url]);
    assert.ok(readdirSync(kept.out).includes(".git"));
    const epoch = await bench.build(["--build-arg", "SOURCE_DATE_EPOCH=context", url], {
      root: join(bench.home, "epoch"),
    });
    assert.equal(epoch.code, 0, epoch.output);
    assert.equal(lstatSync(join(epoch.out, "file")).mtimeMs, 1_700_000_000_000);
    const wrong = await bench.build([`${url}#nothing`]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.output, /does not contain ref nothing/);
  });

  test("over ssh", { skip: withoutSshd() }, async () => {
    using bench = new SourceBench();
    const repository = repositoryOf(bench);
    await using ssh = await SshServer.start(bench.home);
    const url = `ssh://root@127.0.0.1:${ssh.port}${repository.path}`;
    const made = await bench.build(["--ssh", `default=${ssh.key}`, `${url}#side`]);
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("file"), "side\n");
  });
});

test("contexts and Dockerfiles from the web", async () => {
  using bench = new SourceBench();
  const dir = bench.folder("tree", {
    Dockerfile: DOCKERFILE,
    "my.Dockerfile": "FROM scratch\nCOPY sub/file /mine\n",
    "sub/file": "x\n",
  });
  const tar = spawnSync("tar", ["-C", dir, "-c", "."]).stdout;
  await using web = await WebServer.start((request, response) => {
    const etag = { etag: `"${request.url}"` };
    if (request.headers["if-none-match"] === etag.etag) response.writeHead(304, etag).end();
    else if (request.url === "/ctx.tar.gz") response.writeHead(200, etag).end(gzipSync(tar));
    else if (request.url === "/ctx.tar") response.writeHead(200, etag).end(tar);
    else if (request.url === "/Dockerfile") response.writeHead(200, etag).end("FROM scratch\nCOPY context /seen\n");
    else if (request.url === "/local") response.end("FROM scratch\nCOPY sub/file /byurl\n");
    else response.writeHead(404).end();
  });
  for (const name of ["ctx.tar.gz", "ctx.tar"]) {
    const made = await bench.build([`${web.url}/${name}`]);
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("sub/file"), "x\n");
  }
  web.taken();
  const again = await bench.build(["-f", "my.Dockerfile", `${web.url}/ctx.tar`]);
  assert.equal(again.read("mine"), "x\n");
  assert.deepEqual(web.taken(), ["GET /ctx.tar 304"]);
  assert.equal((await bench.build([`${web.url}/Dockerfile`])).read("seen"), "FROM scratch\nCOPY context /seen\n");
  const byUrl = await bench.build(["-f", `${web.url}/local`, dir]);
  assert.equal(byUrl.code, 0, byUrl.output);
  assert.equal(byUrl.read("byurl"), "x\n");
  const missing = await bench.build(["-f", `${web.url}/none?token=hush`, dir]);
  assert.equal(missing.code, 1);
  assert.match(missing.output, /failed to read dockerfile .*\/none: invalid response status 404/);
  const none = await bench.build([`${web.url}/none`]);
  assert.match(none.output, /invalid response status 404/);
});

test("contexts from standard input: archives of every compression, and a Dockerfile", async (t) => {
  using bench = new SourceBench();
  const dir = bench.folder("tree", {
    Dockerfile: DOCKERFILE,
    "d/my.Dockerfile": "FROM scratch\nCOPY file /mine\n",
    file: "x\n",
  });
  const tar = spawnSync("tar", ["-C", dir, "-c", "."]).stdout;
  const archives: Record<string, Buffer> = { tar, gzip: gzipSync(tar), zstd: zstdCompressSync(tar) };
  for (const tool of ["xz", "bzip2"]) {
    if (hasTool(tool)) archives[tool] = spawnSync(tool, ["-c"], { input: tar }).stdout;
    else t.diagnostic(`${tool} is not installed: its archives are left out`);
  }
  for (const [name, stdin] of Object.entries(archives)) {
    const made = await bench.build(["-"], { stdin });
    assert.equal(made.code, 0, `${name}: ${made.output}`);
    assert.equal(made.read("file"), "x\n", name);
  }
  assert.equal((await bench.build(["-f", "d/my.Dockerfile", "-"], { stdin: tar })).read("mine"), "x\n");
  const bare = await bench.build(["-"], { stdin: "FROM scratch\nCOPY <<E /e\nhi\nE\n" });
  assert.equal(bare.read("e"), "hi\n");
  const named = await bench.build(["-f", "-", dir], { stdin: "FROM scratch\nCOPY file /n\n" });
  assert.equal(named.read("n"), "x\n");
  assert.deepEqual(
    readdirSync(bench.home).filter((name) => name.startsWith("slipway-")),
    [],
  );
});

test("named contexts of every kind, each with its own ignore file", async () => {
  using bench = new SourceBench();
  const local = bench.folder("local", { ".dockerignore": "skip\n", keep: "k\n", skip: "s\n" });
  const context = bench.folder("ctx", {
    ".dockerignore": "keep\n",
    Dockerfile: "FROM scratch\nCOPY --from=other / /from/\n",
    base: "base\n",
  });
  const from = (value: string, argv: readonly string[] = []) =>
    bench.build([...argv, "--build-context", `other=${value}`, context]);
  const one = await from(local);
  assert.equal(one.code, 0, one.output);
  assert.deepEqual(readdirSync(join(one.out, "from")).sort(), [".dockerignore", "keep"]);

  const layout = join(bench.home, "layout");
  const image = bench.folder("image", { Dockerfile: "FROM scratch\nCOPY f /f\n", f: "of image\n" });
  const name = "127.0.0.1:1/kept:v1";
  const kept = await bench.build([
    `--output=type=oci,tar=false,dest=${layout},name=app:v1`,
    `--output=type=image,name=${name}`,
    image,
  ]);
  assert.equal(kept.code, 0, kept.output);
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  const places = [layout, `${layout}:v1`, `${layout}@${index.manifests[0]!.digest}`];
  for (const place of [...places.map((path) => `oci-layout://${path}`), `docker-image://${name}`]) {
    const made = await from(place);
    assert.equal(made.code, 0, `${place}: ${made.output}`);
    assert.equal(made.read("from/f"), "of image\n");
  }
  const wrong = await from(`oci-layout://${layout}:none`);
  assert.equal(wrong.code, 1);
  assert.match(wrong.output, /could not be resolved: no image none/);
  const target = await from("target:x");
  assert.equal(target.code, 1);
  assert.match(target.output, /targets as contexts belong to bake\nhint: .*slipway bake/);

  await using web = await WebServer.start((_, response) => response.end("from the web"));
  assert.equal((await from(`${web.url}/file`)).read("from/context"), "from the web");
  if (withoutGit() !== false) return;
  repositoryOf(bench);
  await using git = await WebServer.start(gitHandler(join(bench.home, "repos")));
  assert.equal((await from(`${git.url}/app.git#side`)).read("from/file"), "side\n");
});
