// ADD of URLs against a real web server: what is asked for, what is kept, what is refused.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { lstatSync, statSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { SourceBench, WebServer } from "./source-bench.ts";

const sha = (algorithm: string, text: string) => `${algorithm}:${createHash(algorithm).update(text).digest("hex")}`;

suite("ADD http", () => {
  test("by etag and by date, a file that did not change is not sent again; a changed one is", async () => {
    using bench = new SourceBench();
    let body = "one\n";
    await using web = await WebServer.start((request, response) => {
      const etag = `"${createHash("md5").update(body).digest("hex")}"`;
      const date = body === "one\n" ? "Tue, 02 Jan 2024 03:04:05 GMT" : "Wed, 03 Jan 2024 03:04:05 GMT";
      const byDate = request.url === "/dated";
      const isSame = byDate
        ? request.headers["if-modified-since"] === date
        : (request.headers["if-none-match"] ?? "").includes(etag);
      const headers = byDate ? { "last-modified": date } : { etag: `W/${etag}` };
      if (isSame && request.url !== "/stubborn") response.writeHead(304, headers).end();
      else response.writeHead(200, headers).end(body);
    });
    const context = bench.folder("ctx", {
      Dockerfile: `FROM scratch\nADD ${web.url}/tagged ${web.url}/dated ${web.url}/stubborn /files/\n`,
    });
    const first = await bench.build([context]);
    assert.equal(first.code, 0, first.output);
    assert.deepEqual(web.taken().sort(), ["GET /dated 200", "GET /stubborn 200", "GET /tagged 200"]);
    assert.equal(first.read("files/tagged"), "one\n");
    const stat = lstatSync(join(first.out, "files/dated"));
    assert.deepEqual([stat.mode & 0o7777, stat.mtime.toISOString()], [0o600, "2024-01-02T03:04:05.000Z"]);
    assert.equal(lstatSync(join(first.out, "files/tagged")).mtimeMs, 0);

    const second = await bench.build([context]);
    assert.equal(second.code, 0, second.output);
    assert.deepEqual(web.taken().sort(), ["GET /dated 304", "GET /stubborn 200", "GET /tagged 304"]);
    assert.match(second.output, /CACHED/);

    body = "two\n";
    const third = await bench.build([context]);
    assert.equal(third.read("files/tagged") + third.read("files/dated"), "two\ntwo\n");
    assert.deepEqual(web.taken().sort(), ["GET /dated 200", "GET /stubborn 200", "GET /tagged 200"]);
    const fourth = await bench.build([context]);
    assert.equal(fourth.read("files/tagged"), "two\n");
    assert.deepEqual(web.taken().sort(), ["GET /dated 304", "GET /stubborn 200", "GET /tagged 304"]);
  });

  test("checksums: no request when cached, every algorithm, and a clear error for other content", async () => {
    using bench = new SourceBench();
    await using web = await WebServer.start((_, response) => response.end("data"));
    for (const algorithm of ["sha256", "sha512"]) {
      const context = bench.folder(algorithm, {
        Dockerfile: `FROM scratch\nADD --checksum=${sha(algorithm, "data")} ${web.url}/f?token=hush /\n`,
      });
      const made = await bench.build([context]);
      assert.equal(made.code, 0, made.output);
      assert.equal(made.read("f"), "data");
      assert.deepEqual(web.taken(), ["GET /f?token=hush 200"]);
      assert.equal((await bench.build([context])).code, 0);
      assert.deepEqual(web.taken(), []);
    }
    const wrong = sha("sha256", "other");
    const context = bench.folder("wrong", {
      Dockerfile: `FROM scratch\nADD --checksum=${wrong} ${web.url}/f?token=hush /\n`,
    });
    const { code, output } = await bench.build([context]);
    assert.equal(code, 1);
    const said = `digest mismatch for ${web.url}/f: ${sha("sha256", "data")} (expected: ${wrong})`;
    assert.ok(output.includes(said), output);
    assert.match(output, /^Dockerfile:2$/m);
  });

  test("owner, mode, unpacking; names of the server are never paths", async () => {
    using bench = new SourceBench();
    const dir = bench.folder("tree", { "d/inner": "inside" });
    const tar = spawnSync("tar", ["-C", dir, "-c", "d"]).stdout;
    await using web = await WebServer.start((request, response) => {
      if (request.url === "/a.tar.gz") response.end(gzipSync(tar));
      else if (request.url === "/zipped")
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"));
      else if (request.url === "/moved") response.writeHead(302, { location: "/zipped" }).end();
      else response.end("x");
    });
    const context = bench.folder("ctx", {
      Dockerfile: [
        "FROM scratch",
        `ADD --chown=12:34 --chmod=640 ${web.url}/a%2fb /x`,
        `ADD --unpack ${web.url}/a.tar.gz /un/`,
        `ADD ${web.url}/a.tar.gz /kept/`,
        `ADD ${web.url}/moved /zipped`,
      ].join("\n"),
    });
    const tarball = join(bench.home, "out.tar");
    const made = await bench.build([`--output=type=tar,dest=${tarball}`, context]);
    assert.equal(made.code, 0, made.output);
    const listing = spawnSync("tar", ["--numeric-owner", "-tvf", tarball]).stdout.toString();
    assert.match(listing, /^-rw-r----- 12\/34 .* x$/m);
    assert.equal(made.read("un/d/inner"), "inside");
    assert.ok(statSync(join(made.out, "kept/a.tar.gz")).isFile());
    assert.equal(made.read("zipped"), "plain");
  });

  test("errors name the address without its query, the status and what to do; broken connections are tried again", async () => {
    using bench = new SourceBench();
    let failures = 2;
    await using web = await WebServer.start((request, response) => {
      if (request.url === "/flaky") {
        if (failures-- > 0) {
          response.writeHead(200, { "content-length": "10" });
          response.write("part");
          setTimeout(() => response.destroy(), 20);
        } else response.end("whole text");
      } else if (request.url === "/cut") {
        response.writeHead(200, { "content-length": "10" });
        response.write("part");
        setTimeout(() => response.destroy(), 20);
      } else if (request.url === "/evil") response.writeHead(302, { location: "file:///etc/passwd" }).end();
      else response.writeHead(Number(request.url!.slice(1, 4))).end();
    });
    const attempt = (path: string, argv: readonly string[] = []) =>
      bench.build([...argv, bench.folder("ctx", { Dockerfile: `FROM scratch\nADD ${web.url}${path} /f\n` })]);
    const flaky = await attempt("/flaky");
    assert.equal(flaky.code, 0, flaky.output);
    assert.equal(flaky.read("f"), "whole text");
    const cases: [string, RegExp, RegExp][] = [
      ["/404?token=hush", /\/404: invalid response status 404/, /the server has no such file/],
      ["/401", /invalid response status 401/, /HTTP_AUTH_TOKEN_127\.0\.0\.1/],
      ["/503", /invalid response status 503/, /try again later/],
      ["/cut", /failed to download .*\/cut: /, /try again later/],
      ["/evil", /redirects from https to file:|redirects from http/, /./],
    ];
    for (const [path, message, hint] of cases) {
      const { code, output } = await attempt(path);
      assert.equal(code, 1, output);
      assert.match(output, message);
      assert.match(output, hint);
      const error = output.slice(output.lastIndexOf("ERROR:"));
      assert.ok(!error.includes("hush"), error);
    }
  });

  test("tokens come from secrets, go to their host only, and are nowhere afterwards", async () => {
    using bench = new SourceBench();
    await using other = await WebServer.start((_, response) => response.end("elsewhere"));
    await using web = await WebServer.start((request, response) => {
      if (request.headers.authorization !== "Bearer t0ken-value") response.writeHead(401).end();
      else if (request.url === "/away") response.writeHead(302, { location: `${other.url}/x` }).end();
      else response.end("secret file");
    });
    const context = bench.folder("ctx", { Dockerfile: `FROM scratch\nADD ${web.url}/f ${web.url}/away /d/\n` });
    const made = await bench.build(["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN", context], {
      env: { TOKEN: "t0ken-value" },
    });
    assert.equal(made.code, 0, made.output);
    assert.equal(made.read("d/f") + made.read("d/away"), "secret fileelsewhere");
    assert.equal(other.requests[0]?.headers.authorization, undefined);
    const found = spawnSync("grep", ["-rlF", "t0ken-value", bench.root]);
    assert.equal(found.stdout.toString(), "");
  });
});
