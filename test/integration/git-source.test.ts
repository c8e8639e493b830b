// ADD of git repositories, from real git over http and ssh.

import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, symlinkSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gitHandler, SshServer, TestRepository, withoutGit, withoutSshd } from "./git-server.ts";
import { SourceBench, WebServer } from "./source-bench.ts";

/** A repository with a branch, tags, a pull request, a folder and a link; and the commits of it. */
function makeRepository(bench: SourceBench, name = "repos/app.git") {
  const repository = new TestRepository(join(bench.home, name));
  const first = repository.commit({ file: "first\n", "dir/inner": "inner\n" });
  repository.git("tag", "light");
  const pull = repository.commit({ file: "pull\n" });
  repository.git("update-ref", "refs/pull/7/head", pull);
  repository.git("reset", "--quiet", "--hard", first);
  repository.git("checkout", "--quiet", "-b", "side");
  const side = repository.commit({ file: "side\n" });
  repository.git("tag", "--annotate", "-m", "t", "heavy");
  const tag = repository.git("rev-parse", "heavy");
  repository.git("checkout", "--quiet", "main");
  symlinkSync("dir", join(repository.path, "link"));
  const last = repository.commit({ file: "last\n" });
  return { repository, first, pull, side, tag, last };
}

suite("ADD git", { skip: withoutGit() }, () => {
  test("refs of every kind, subdirs, and what is asked of the server", async () => {
    using bench = new SourceBench();
    const { repository, first, pull, side, last } = makeRepository(bench);
    await using web = await WebServer.start(gitHandler(join(bench.home, "repos")));
    const url = `${web.url}/app.git`;
    const refs: Record<string, string> = {
      "": "last",
      "#main": "last",
      "#side": "side",
      "#light": "first",
      "#refs/tags/heavy": "side",
      "#refs/pull/7/head": "pull",
      [`#${first}`]: "first",
      [`#${pull}`]: "pull",
      "?branch=side": "side",
      [`?ref=main&checksum=${last}`]: "last",
      [`?tag=heavy&commit=${side.slice(0, 12)}`]: "side",
    };
    const lines = Object.keys(refs).map((ref, at) => `ADD ${url}${ref} /r${at}/`);
    const context = bench.folder("ctx", {
      Dockerfile: ["FROM scratch", ...lines, `ADD ${url}#side:dir /sub/`, `ADD ${url}?subdir=dir /query/`].join("\n"),
    });
    const made = await bench.build([context]);
    assert.equal(made.code, 0, made.output);
    for (const [at, text] of Object.values(refs).entries()) assert.equal(made.read(`r${at}/file`), `${text}\n`);
    assert.deepEqual(readdirSync(join(made.out, "r0")).sort(), ["dir", "file", "link"]);
    assert.ok(lstatSync(join(made.out, "r0/link")).isSymbolicLink());
    assert.deepEqual(readdirSync(join(made.out, "sub")), ["inner"]);
    assert.deepEqual(readdirSync(join(made.out, "query")), ["inner"]);

    web.taken();
    const again = await bench.build([context]);
    assert.equal(again.code, 0, again.output);
    assert.ok(web.taken().every((line) => !line.includes("git-receive-pack")));
    assert.match(again.output, /CACHED/);

    const moved = repository.commit({ file: "moved\n" });
    const only = bench.folder("only", { Dockerfile: `FROM scratch\nADD ${url} /\n` });
    assert.equal((await bench.build([only])).read("file"), "moved\n");
    const pinned = bench.folder("pinned", { Dockerfile: `FROM scratch\nADD ${url}#${moved} /\n` });
    web.taken();
    const cached = await bench.build([pinned]);
    assert.equal(cached.read("file"), "moved\n");
    assert.deepEqual(web.taken(), [], "a commit that is here takes no request");
  });

  test("keep-git-dir and submodules", async () => {
    using bench = new SourceBench();
    const sub = new TestRepository(join(bench.home, "repos/sub.git"));
    sub.commit({ part: "of sub\n" });
    const { repository, last } = makeRepository(bench);
    await using web = await WebServer.start(gitHandler(join(bench.home, "repos")));
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", sub.path, "mod");
    repository.git("config", "--file", ".gitmodules", "submodule.mod.url", "../sub.git");
    const withModule = repository.commit({ more: "more\n" });
    const url = `${web.url}/app.git`;
    const context = bench.folder("ctx", {
      Dockerfile: [
        "FROM scratch",
        `ADD ${url} /plain/`,
        `ADD --keep-git-dir=true ${url}#main /kept/`,
        `ADD --keep-git-dir ${url}#heavy /tag/`,
        `ADD ${url}?submodules=false /without/`,
        `ADD ${url}#${last} /${last}/`,
      ].join("\n"),
    });
    const made = await bench.build([context]);
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("plain/mod/part"), "of sub\n");
    assert.deepEqual(readdirSync(join(made.out, "plain/mod")), ["part"]);
    assert.ok(!existsSync(join(made.out, "plain/.git")));
    assert.deepEqual(readdirSync(join(made.out, "without/mod")), []);
    const git = (dir: string, ...args: string[]) =>
      spawnSync("git", ["-c", "safe.directory=*", ...args], {
        cwd: join(made.out, dir),
        encoding: "utf8",
      }).stdout.trim();
    assert.equal(git("kept", "rev-parse", "HEAD"), withModule);
    assert.equal(git("kept", "rev-parse", "refs/heads/main"), withModule);
    assert.equal(git("kept", "remote", "get-url", "origin"), url);
    assert.equal(git("kept", "status", "--porcelain"), "");
    assert.equal(git("tag", "describe", "--exact-match"), "heavy");
  });

  test("what is refused, and how it is told", async () => {
    using bench = new SourceBench();
    const { repository, last } = makeRepository(bench);
    repository.git("checkout", "--quiet", "-b", "evil");
    repository.commit({
      ".gitmodules": `[submodule "mod"]\n\tpath = mod\n\turl = ${join(bench.home, "repos/app.git")}\n`,
    });
    repository.git("update-index", "--add", "--cacheinfo", `160000,${last},mod`);
    repository.git("commit", "--quiet", "--message", "mod");
    repository.git("reset", "--quiet", "--hard");
    repository.git("checkout", "--quiet", "main");
    await using web = await WebServer.start(gitHandler(join(bench.home, "repos")));
    const url = `${web.url}/app.git`;
    const other = "0123456789012345678901234567890123456789";
    const cases: [string, RegExp][] = [
      [`${url}#nothing`, /does not contain ref nothing/],
      [`${url}#${last.slice(0, 9)}`, /a commit is named by its whole hash/],
      [`${url}#${other}`, new RegExp(`commit ${other} can not be found`)],
      [`--checksum=${other} ${url}`, new RegExp(`expected checksum to match ${other}, got ${last}`)],
      [`${url}#main:link`, /not a folder: link/],
      [`${url}#main:none`, /the repository has no none/],
      [`${url}#evil`, /transport 'file' not allowed/],
      [`${url}#--upload-pack=x`, /invalid git ref/],
      [`${web.url}/none.git`, /check the repository's address/],
    ];
    for (const [source, message] of cases) {
      const context = bench.folder("ctx", { Dockerfile: `FROM scratch\nADD ${source} /\n` });
      const { code, output } = await bench.build([context]);
      assert.equal(code, 1, `${source}: ${output}`);
      assert.match(output, message);
    }
    const context = bench.folder("ctx", { Dockerfile: `FROM scratch\nADD ${url} /\n` });
    const without = await bench.build([context], { env: { PATH: bench.folder("empty", {}) } });
    assert.equal(without.code, 1);
    assert.match(without.output, /git sources take the program git.*\n.*apt-get install git/s);
  });

  test("tokens come from secrets and are nowhere afterwards", async () => {
    using bench = new SourceBench();
    makeRepository(bench);
    const serve = gitHandler(join(bench.home, "repos"));
    const expected = `basic ${Buffer.from("x-access-token:t0ken-value").toString("base64")}`;
    await using web = await WebServer.start((request, response) => {
      if (request.headers.authorization?.toLowerCase() === expected.toLowerCase()) serve(request, response);
      else response.writeHead(401, { "www-authenticate": "Basic" }).end();
    });
    const context = bench.folder("ctx", {
      Dockerfile: `FROM scratch\nADD --keep-git-dir ${web.url}/app.git /\n`,
    });
    const refused = await bench.build([context]);
    assert.equal(refused.code, 1);
    assert.match(refused.output, /hint: .*--secret id=GIT_AUTH_TOKEN/);
    const made = await bench.build(["--secret", "id=GIT_AUTH_TOKEN,env=TOKEN", context], {
      env: { TOKEN: "t0ken-value" },
    });
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("file"), "last\n");
    const encoded = expected.slice("basic ".length);
    for (const text of ["t0ken-value", encoded]) {
      assert.equal(spawnSync("grep", ["-rlF", text, bench.root, made.out]).stdout.toString(), "");
    }
  });

  test("over ssh, with a key of the agent", { skip: withoutSshd() }, async () => {
    using bench = new SourceBench();
    const { repository, last } = makeRepository(bench);
    await using ssh = await SshServer.start(bench.home);
    const url = `ssh://root@127.0.0.1:${ssh.port}${repository.path}`;
    const context = bench.folder("ctx", {
      Dockerfile: `FROM scratch\nADD ${url} /a/\nADD ${url}#${last} /b/\n`,
    });
    const made = await bench.build(["--ssh", `default=${ssh.key}`, context]);
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("a/file") + made.read("b/file"), "last\nlast\n");
    const without = await bench.build([
      "--no-cache",
      bench.folder("x", { Dockerfile: `FROM scratch\nADD ${url}#side /\n` }),
    ]);
    assert.equal(without.code, 1);
    assert.match(without.output, /no SSH key "default" forwarded from the client/);
    assert.match(without.output, /hint: .*--ssh default/);
  });
});
