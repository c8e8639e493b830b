// Keys of web and git sources are BuildKit's: what Docker Engine exports of such steps is taken here, and the other way round.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { DockerPeer, withoutDocker } from "./peers.ts";
import { gitHandler, TestRepository, withoutGit } from "./git-server.ts";
import { SourceBench, WebServer } from "./source-bench.ts";

test("caches with steps of web and git sources cross over", { skip: withoutDocker() || withoutGit() }, async () => {
  using bench = new SourceBench();
  const repository = new TestRepository(join(bench.home, "repos/app.git"));
  const first = repository.commit({ file: "x\n", "dir/inner": "y\n" });
  repository.git("tag", "--annotate", "-m", "t", "v1");
  const serveGit = gitHandler(join(bench.home, "repos"));
  await using web = await WebServer.start((request, response) => {
    if (request.url!.startsWith("/app.git")) return serveGit(request, response);
    const headers = request.url === "/dated" ? { "last-modified": "Tue, 02 Jan 2024 03:04:05 GMT" } : { etag: '"1"' };
    response.writeHead(200, headers).end(`content of ${request.url}`);
  });
  const url = `${web.url}/app.git`;
  const context = bench.folder("ctx", {
    Dockerfile: [
      "FROM scratch",
      `ADD ${web.url}/tagged /a`,
      `ADD --chmod=644 ${web.url}/dated /b`,
      `ADD ${url} /c/`,
      `ADD ${url}#v1:dir /d/`,
      `ADD ${url}#${first} /e/`,
    ].join("\n"),
  });
  await using docker = await DockerPeer.start("127.0.0.1:1");
  const theirs = join(bench.home, "theirs");
  await docker.build(["--cache-to", `type=local,dest=${theirs},mode=max`, context]);
  const made = await bench.build(["--cache-from", `type=local,src=${theirs}`, context]);
  assert.equal(made.code, 0, made.output);
  for (let at = 1; at <= 5; at++) {
    const number = new RegExp(`^#(\\d+) \\[${at}/5\\] ADD`, "m").exec(made.output)?.[1];
    assert.match(made.output, new RegExp(`^#${number} CACHED$`, "m"), `step ${at}: ${made.output}`);
  }
  const ours = join(bench.home, "ours");
  const other = await bench.build(["--cache-to", `type=local,dest=${ours},mode=max`, context], {
    root: join(bench.home, "other"),
  });
  assert.equal(other.code, 0, other.output);
  await docker.prune();
  const steps = await docker.build(["--cache-from", `type=local,src=${ours}`, context]);
  const adds = [...steps].filter(([name]) => /^\[\d\/5\] ADD/.test(name));
  assert.equal(adds.length, 5);
  assert.deepEqual(
    adds.filter(([, state]) => state !== "cached"),
    [],
  );
});
