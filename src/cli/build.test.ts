import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { BuildError } from "../base/index.ts";
import type { SessionPort } from "../engine/index.ts";
import { log, vertex, warning } from "./progress/test-messages.ts";
import { run, type RunOptions } from "./test-shell.ts";

let dir = "";
before(() => {
  dir = mkdtempSync(join(tmpdir(), "slipway-cli-"));
  mkdirSync(join(dir, "ctx"));
  mkdirSync(join(dir, "other"));
  mkdirSync(join(dir, "lower"));
  writeFileSync(join(dir, "ctx/Dockerfile"), "FROM scratch\n");
  writeFileSync(join(dir, "other/My.Dockerfile"), "FROM scratch\n");
  writeFileSync(join(dir, "lower/dockerfile"), "FROM scratch\n");
  writeFileSync(join(dir, "token"), "hush\n");
});
after(() => rmSync(dir, { recursive: true, force: true }));

const folderOf = async (session: SessionPort, name: string) => (await session.localDir(name, {}))?.path;
const build = (argv: readonly string[], options: RunOptions = {}) => run(["build", ...argv], { cwd: dir, ...options });

async function requestOf(argv: readonly string[], options: RunOptions = {}) {
  const result = await build(argv, options);
  assert.equal(result.code, 0, result.stderr);
  const { request, session } = result.builder.solved[0]!;
  const { "attest:provenance": _, ...attributes } = request.FrontendAttrs;
  return { ...result, request, session, attributes };
}

suite("the request", () => {
  const rows: [string, readonly string[], Record<string, string>][] = [
    ["nothing", [], {}],
    [
      "build args, one from the environment, one unset",
      ["--build-arg", "A=1,2", "--build-arg=HOME", "--build-arg", "UNSET"],
      { "build-arg:A": "1,2", "build-arg:HOME": "/h" },
    ],
    [
      "labels and a target",
      ["--label", "a=b", "--label", "c", "--target", "t"],
      { "label:a": "b", "label:c": "", target: "t" },
    ],
    ["no cache", ["--no-cache"], { "no-cache": "" }],
    ["no cache of some stages", ["--no-cache-filter", "a", "--no-cache-filter", "b"], { "no-cache": "a,b" }],
    ["pull", ["--pull"], { "image-resolve-mode": "pull" }],
    ["pull=false", ["--pull=false"], {}],
    [
      "platforms",
      ["--platform", "linux/amd64,linux/ARM64", "--platform=linux/amd64"],
      { platform: "linux/amd64,linux/arm64" },
    ],
    ["network none", ["--network=none"], { "force-network-mode": "none" }],
    [
      "limits",
      ["--ulimit", "nofile=5", "--shm-size=64m", "--memory", "1g", "--resource", "cpu-quota=5"],
      { ulimit: "nofile=5:5", "shm-size": "67108864", memory: "1073741824", cpuquota: "5" },
    ],
    ["hosts", ["--add-host", "a:1.1.1.1,b:2.2.2.2"], { "add-hosts": "a=1.1.1.1,b=2.2.2.2" }],
    ["cgroup parent", ["--cgroup-parent", "p"], { "cgroup-parent": "p" }],
    [
      "named contexts",
      [
        "--build-context",
        "app=other",
        "--build-context",
        "docker.io/library/alpine=docker-image://alpine:3",
        "--build-context=context=other",
      ],
      {
        "context:app": "local:app",
        "context:alpine": "docker-image://alpine:3",
        "context:context": "local:_context",
        "frontend.caps": "moby.buildkit.frontend.contexts+forward",
      },
    ],
    [
      "a syntax image",
      ["--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1 x"],
      {
        source: "docker/dockerfile:1",
        cmdline: "docker/dockerfile:1 x",
        "build-arg:BUILDKIT_SYNTAX": "docker/dockerfile:1 x",
      },
    ],
  ];
  for (const [name, argv, expected] of rows) {
    test(name, async () => {
      const { attributes, request } = await requestOf([...argv, "ctx"], { env: { HOME: "/h" } });
      assert.deepEqual({ ...attributes }, { filename: "Dockerfile", ...expected });
      assert.equal(request.Frontend, "source" in expected ? "gateway.v0" : "dockerfile.v0");
    });
  }

  test("host network needs no further allowance; entitlements go along", async () => {
    const { request } = await requestOf(["--network=host", "--allow", "security.insecure", "ctx"]);
    assert.deepEqual(request.Entitlements, ["security.insecure", "network.host"]);
    assert.equal(request.FrontendAttrs["force-network-mode"], "host");
  });

  test("an epoch from the environment", async () => {
    assert.equal(
      (await requestOf(["ctx"], { env: { SOURCE_DATE_EPOCH: "5" } })).attributes["build-arg:SOURCE_DATE_EPOCH"],
      "5",
    );
  });

  test("proxies of docker's configuration, where the command line has none", async () => {
    mkdirSync(join(dir, "docker"));
    writeFileSync(
      join(dir, "docker/config.json"),
      JSON.stringify({ proxies: { default: { httpProxy: "http://p:1", noProxy: "localhost" } } }),
    );
    const { attributes } = await requestOf(["--build-arg", "no_proxy=x", "ctx"], {
      env: { DOCKER_CONFIG: join(dir, "docker") },
    });
    assert.deepEqual(
      { ...attributes },
      { filename: "Dockerfile", "build-arg:no_proxy": "x", "build-arg:HTTP_PROXY": "http://p:1" },
    );
  });

  test("outputs: the image is kept by default; names, annotations and places go where they belong", async () => {
    const plain = await requestOf(["-t", "a", "-t", "b:1", "--annotation", "x=y", "ctx"]);
    assert.deepEqual(
      plain.request.Exporters.map(({ Type, Attrs }) => [Type, { ...Attrs }]),
      [["image", { name: "a,b:1", "annotation.x": "y" }]],
    );
    assert.equal(plain.session.output(0), undefined);
    const several = await requestOf([
      "-t",
      "a",
      "-o",
      "out",
      "-o",
      "type=oci,dest=o.tar,compression=zstd",
      "-o",
      "type=cacheonly",
      "-o",
      "type=docker,dest=d,tar=false",
      "ctx",
    ]);
    assert.deepEqual(
      several.request.Exporters.map(({ Type, Attrs }) => [Type, { ...Attrs }]),
      [
        ["local", {}],
        ["oci", { compression: "zstd", name: "a" }],
        ["docker", { tar: "false", name: "a" }],
      ],
    );
    assert.deepEqual(
      [0, 1, 2].map((i) => several.session.output(i)),
      [
        { kind: "directory", path: join(dir, "out") },
        { kind: "file", path: join(dir, "o.tar") },
        { kind: "directory", path: join(dir, "d") },
      ],
    );
    assert.equal((await requestOf(["-o", "-", "ctx"])).session.output(0)?.kind, "stream");
    assert.deepEqual((await requestOf(["-o", "type=cacheonly", "ctx"])).request.Exporters, []);
  });

  test("where the Dockerfile is", async () => {
    const outside = await requestOf(["-f", "other/My.Dockerfile", "ctx"]);
    assert.deepEqual(
      [
        outside.attributes["filename"],
        await folderOf(outside.session, "dockerfile"),
        await folderOf(outside.session, "context"),
      ],
      ["My.Dockerfile", join(dir, "other"), join(dir, "ctx")],
    );
    assert.equal((await requestOf(["lower"])).attributes["filename"], "dockerfile");
    let text = "";
    await requestOf(["-f", "-", "ctx"], {
      stdin: "FROM a\n",
      async solve(_request, session) {
        text = readFileSync(join((await folderOf(session, "dockerfile"))!, "Dockerfile"), "utf8");
        return {};
      },
    });
    assert.equal(text, "FROM a\n");
    const alone = await requestOf(["-"], { stdin: "FROM b\n" });
    const dockerfile = (await folderOf(alone.session, "dockerfile"))!;
    assert.notEqual(await folderOf(alone.session, "context"), dockerfile);
    assert.throws(() => readFileSync(join(dockerfile, "Dockerfile")), /ENOENT/);
  });

  test("secrets from a file and the environment", async () => {
    const seen: (string | undefined)[] = [];
    await requestOf(["--secret", "id=t,src=token", "--secret=id=e,env=E", "--secret", "id=V", "ctx"], {
      env: { E: "val", V: "byname" },
      async solve(_request, session) {
        for (const id of ["t", "e", "V", "none"]) seen.push((await session.secret(id))?.toString());
        return {};
      },
    });
    assert.deepEqual(seen, ["hush\n", "val", "byname", undefined]);
  });

  test("stand-in bases: for the bundled examples, or by flag", async () => {
    mkdirSync(join(dir, "examples/hello"), { recursive: true });
    const env = { SLIPWAY_HOME: dir };
    const asked = async (argv: readonly string[], given = env as Record<string, string>) =>
      (await requestOf(argv, { env: given })).opened[0]?.standInBases;
    assert.equal(await asked(["examples/hello"]), true);
    assert.equal(await asked(["--stand-in-bases=false", "examples/hello"]), false);
    assert.equal(await asked(["ctx"]), false);
    assert.equal(await asked(["--stand-in-bases", "ctx"], {}), true);
  });
});

suite("what is refused before anything is built", () => {
  const rows: [readonly string[], string | RegExp][] = [
    [
      ["nope"],
      'ERROR: failed to build: unable to prepare context: path "nope" not found\nhint: the last argument is the folder to build from; use . for the current one\n',
    ],
    [["-t", "Bad", "ctx"], 'ERROR: failed to build: invalid tag "Bad": repository name must be lowercase\n'],
    [["-t", "a b", "ctx"], 'ERROR: failed to build: invalid tag "a b": invalid reference format\n'],
    [
      ["--secret", "id=x,src=gone", "ctx"],
      /^ERROR: failed to build: failed to stat \/.*\/gone: no such file or directory\nhint: the secret "x"/,
    ],
    [["--secret", "id=x,password=hunter2", "ctx"], "ERROR: unexpected key 'password' in 'password=…'\n"],
    [
      ["--ssh", "default", "ctx"],
      /^ERROR: failed to build: invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set\nhint: /,
    ],
    [
      ["--ssh", "a=token", "ctx"],
      /^ERROR: failed to build: failed to parse \/.*\/token: .*\nhint: load the key into an agent/,
    ],
    [["--network", "bridge", "ctx"], /^ERROR: failed to build: network mode "bridge" not supported/],
    [
      ["--no-cache", "--no-cache-filter=a", "ctx"],
      "ERROR: failed to build: --no-cache and --no-cache-filter cannot currently be used together\n",
    ],
    [["-o", "type=zip,dest=x", "ctx"], /^ERROR: failed to build: exporter "zip" could not be found\nhint: known types/],
    [["-o", "type=local", "ctx"], "ERROR: failed to build: dest is required for local exporter\n"],
    [["-o", "token", "ctx"], "ERROR: failed to build: destination directory token is a file\n"],
    [["-o", "type=tar,dest=ctx", "ctx"], "ERROR: failed to build: destination file ctx is a directory\n"],
    [["-o", "-", "-o", "type=oci", "ctx"], "ERROR: failed to build: multiple outputs configured to write to stdout\n"],
    [
      ["-o", "type=local,dest=/tmp,mode=delete", "ctx"],
      'ERROR: failed to build: local output mode=delete for destination "/tmp" requires --allow=buildx.local.delete\n',
    ],
    [["--iidfile", "i", "-o", "out", "ctx"], "ERROR: local and tar exporters are incompatible with image ID file\n"],
    [["--progress", "loud", "ctx"], "ERROR: invalid progress mode loud\n"],
    [["--progress", "tty", "ctx"], /^ERROR: failed to get console/],
    [["--progress", "plain", "-q", "ctx"], "ERROR: progress=plain and quiet cannot be used together\n"],
    [["--allow", "root", "ctx"], "ERROR: failed to build: unknown entitlement root\n"],
    [["--call=check,outline", "ctx"], "ERROR: invalid print value: check,outline\n"],
    [["--call=check,depth=2", "ctx"], "ERROR: invalid print field: depth=2\n"],
    [
      ["--call=check,ignorestatus=maybe", "ctx"],
      'ERROR: invalid ignorestatus print value: maybe: strconv.ParseBool: parsing "maybe": invalid syntax\n',
    ],
    [["--builder", "remote1", "ctx"], /^ERROR: no builder "remote1" found\n/],
    [
      ["-f", "-", "-"],
      "ERROR: failed to build: invalid argument: can't use stdin for both build context and dockerfile\n",
    ],
    [
      ["-f", "x", "-"],
      "ERROR: failed to build: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles\n",
    ],
    [["--build-context", "a", "ctx"], "ERROR: failed to build: invalid context value: a, expected key=value\n"],
    [
      ["--build-context", "a=gone", "ctx"],
      "ERROR: failed to build: failed to get build context a: stat gone: no such file or directory\n",
    ],
  ];
  for (const [argv, expected] of rows) {
    test(argv.join(" "), async () => {
      const { code, stdout, stderr, builder } = await build(argv);
      assert.deepEqual([code, stdout, builder.solved.length], [1, "", 0]);
      if (typeof expected === "string") assert.equal(stderr, expected);
      else assert.match(stderr, expected);
    });
  }

  test("switched-off attestations and dead flags of docker's are no obstacle", async () => {
    const { code, stderr } = await build([
      "--provenance=false",
      "--sbom=false",
      "--rm",
      "--squash",
      "--attest=type=sbom,disabled=true",
      "ctx",
    ]);
    assert.equal(code, 0);
    assert.match(stderr, /^WARNING: experimental flag squash is removed/);
  });
});

suite("questions instead of builds", () => {
  const data = Buffer.from("FROM scratch AS A\nMAINTAINER me\n").toString("base64");
  const at = (line: number) => ({ ranges: [{ start: { line }, end: { line } }] });
  const warnings = [
    { ruleName: "MaintainerDeprecated", description: "d", url: "https://e.example/m/", detail: "old", location: at(2) },
    { ruleName: "StageNameCasing", description: "d", detail: "case", location: at(1) },
  ];
  const lintAnswer = (fields: object, code: string) => () =>
    Promise.resolve({
      "result.json": JSON.stringify({ sources: [{ filename: "Dockerfile", data }], ...fields }),
      "result.txt": "not used",
      "result.statuscode": code,
      version: "1.0.0",
    });

  test("the request names the question and exports nothing", async () => {
    const { request, attributes } = await requestOf(["--call=outline", "-t", "a", "-o", "out", "ctx"]);
    assert.equal(attributes["requestid"], "frontend.outline");
    assert.equal(attributes["frontend.caps"], "moby.buildkit.frontend.subrequests+forward");
    assert.deepEqual([request.Exporters, request.Cache?.Exports], [[], []]);
    const check = await requestOf(["--check", "--build-context", "app=other", "ctx"]);
    assert.equal(check.attributes["requestid"], "frontend.lint");
    assert.equal(
      check.attributes["frontend.caps"],
      "moby.buildkit.frontend.contexts+forward,moby.buildkit.frontend.subrequests+forward",
    );
    assert.equal((await requestOf(["--call=build", "ctx"])).attributes["requestid"], undefined);
  });

  test("--check prints warnings by line under the name the user knows, and exits 1", async () => {
    const { code, stdout, stderr } = await build(["--check", "ctx"], { solve: lintAnswer({ warnings }, "1") });
    const pages = "docs/rules/MaintainerDeprecated.md, docs/rules/StageNameCasing.md";
    assert.deepEqual([code, stderr], [1, `hint: what the rules are about: ${pages}\n`]);
    assert.equal(
      stdout,
      `Check complete, 2 warnings have been found!

WARNING: StageNameCasing
case
ctx/Dockerfile:1
--------------------
   1 | >>> FROM scratch AS A
   2 |     MAINTAINER me
   3 |${"     "}
--------------------

WARNING: MaintainerDeprecated - https://e.example/m/
old
ctx/Dockerfile:2
--------------------
   1 |     FROM scratch AS A
   2 | >>> MAINTAINER me
   3 |${"     "}
--------------------
`,
    );
    const ignored = await build(["--call=check,ignorestatus=true", "ctx"], { solve: lintAnswer({ warnings }, "1") });
    assert.equal(ignored.code, 0);
    const json = await build(["--call=lint,format=json", "ctx"], { solve: lintAnswer({ warnings }, "1") });
    assert.equal(json.code, 1);
    assert.deepEqual((JSON.parse(json.stdout) as { warnings: unknown }).warnings, warnings);
  });

  test("no warnings; and an error that ends the check", async () => {
    const clean = await build(["--check", "ctx"], { solve: lintAnswer({ warnings: null }, "0") });
    assert.deepEqual([clean.code, clean.stdout], [0, "Check complete, no warnings found.\n"]);
    const buildError = { message: "unknown instruction: X", location: at(2) };
    const broken = await build(["--check", "ctx"], { solve: lintAnswer({ warnings: null, buildError }, "1") });
    assert.deepEqual([broken.code, broken.stdout], [1, ""]);
    assert.match(broken.stderr, /^ERROR: unknown instruction: X\nctx\/Dockerfile:2\n-{20}\n/);
  });

  test("other answers: text, JSON on demand, the status as exit code", async () => {
    const solve = () => Promise.resolve({ "result.json": "{}", "result.txt": "TARGET\n", "result.statuscode": "3" });
    const text = await build(["--call=targets", "ctx"], { solve });
    assert.deepEqual([text.code, text.stdout], [3, "TARGET\n"]);
    const json = await build(["--call=targets,format=json,ignorestatus=1", "ctx"], { solve });
    assert.deepEqual([json.code, json.stdout], [0, "{}\n"]);
  });
});

suite("after the build", () => {
  test("warnings go to the metadata file when the environment asks for them", async () => {
    const solve: RunOptions["solve"] = (_request, _session, { onStatus }) => {
      onStatus(vertex("load", { started: 0, completed: 1 }));
      onStatus(warning("load", "old"));
      return Promise.resolve({});
    };
    const metadata = async (env: Record<string, string>) => {
      await build(["--metadata-file", "warned.json", "ctx"], { solve, env });
      return JSON.parse(readFileSync(join(dir, "warned.json"), "utf8")) as Record<string, unknown>;
    };
    assert.deepEqual(await metadata({}), {});
    const found = (await metadata({ BUILDX_METADATA_WARNINGS: "1" }))["buildx.build.warnings"] as object[];
    assert.equal(found.length, 1);
    const { vertex: digest, ...fields } = found[0] as { vertex: string };
    assert.match(digest, /^sha256:/);
    assert.deepEqual(fields, {
      level: 1,
      short: Buffer.from("old").toString("base64"),
      detail: [Buffer.from("what to do").toString("base64")],
      url: "https://example.com/rule",
      sourceInfo: {
        filename: "Dockerfile",
        data: Buffer.from("FROM scratch\nMAINTAINER me\n").toString("base64"),
        language: "Dockerfile",
      },
      range: [{ start: { line: 2 }, end: { line: 2 } }],
    });
  });

  test("a person reads what was made, where it is, and what to try", async () => {
    const { stdout, stderr } = await build(["-t", "hello", "ctx"]);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `
Image:   hello
Digest:  sha256:d1
Size:    4.32MB
Kept in: /state

Next:    slipway inspect hello
         slipway build -t hello -o type=docker,dest=hello.tar ctx
`,
    );
    const files = await build(["-t", "hello", "-o", "type=docker,dest=token", "-o", "out", "ctx"]);
    assert.equal(
      files.stderr,
      `\nWrote:   ${dir}/token (5B), type docker\nWrote:   ${dir}/out, type local\n\nNext:    docker load -i ${dir}/token\n         ls ${dir}/out\n`,
    );
  });

  test("-q prints the image's ID alone; rawjson says nothing more", async () => {
    const quiet = await build(["-q", "-t", "hello", "ctx"]);
    assert.deepEqual([quiet.stdout, quiet.stderr], ["sha256:c1\n", ""]);
    assert.deepEqual((await build(["--progress=rawjson", "ctx"])).stderr, "");
    assert.equal((await build(["ctx"], { env: { BUILDKIT_PROGRESS: "quiet" } })).stdout, "sha256:c1\n");
  });

  test("files for scripts", async () => {
    const descriptor = Buffer.from('{"size":5,"annotations":{"a":"<b>"}}').toString("base64");
    const solve = () =>
      Promise.resolve({
        "image.name": "hello",
        "containerimage.config.digest": "sha256:c1",
        "containerimage.digest": "sha256:d1",
        "containerimage.descriptor": descriptor,
        other: "dGV4dA==",
      });
    await build(["--iidfile", "iid", "--metadata-file", "meta.json", "ctx"], { solve });
    assert.equal(readFileSync(join(dir, "iid"), "utf8"), "sha256:c1");
    assert.equal(
      readFileSync(join(dir, "meta.json"), "utf8"),
      `{
  "containerimage.config.digest": "sha256:c1",
  "containerimage.descriptor": {
    "size": 5,
    "annotations": {
      "a": "\\u003cb\\u003e"
    }
  },
  "containerimage.digest": "sha256:d1",
  "image.name": "hello",
  "other": "dGV4dA=="
}`,
    );
    await build(["--iidfile", "iid", "ctx"], { solve: () => Promise.reject(new Error("no")) });
    assert.throws(() => readFileSync(join(dir, "iid")), /ENOENT/);
  });

  test("a failed step: its block, the Dockerfile's lines, one error, one hint", async () => {
    const error = 'process "/bin/sh -c false" did not complete successfully: exit code: 1';
    const { code, stderr, builder } = await build(["ctx"], {
      solve(_request, _session, { onStatus }) {
        onStatus(vertex("run RUN false", { started: 0 }));
        onStatus(log("run", 0.5, "why\n"));
        onStatus(warning("run", "old"));
        onStatus(vertex("run RUN false", { started: 0, completed: 1, error }));
        const text = Buffer.from("FROM scratch\nRUN false\n");
        return Promise.reject(
          new BuildError(error, {
            code: "STEP_FAILED",
            hint: "look above",
            sources: [{ filename: "Dockerfile", language: "Dockerfile", text, ranges: [{ start: 2, end: 2 }] }],
          }),
        );
      },
    });
    assert.equal(code, 1);
    assert.equal(builder.closed, true);
    assert.equal(
      stderr.slice(stderr.indexOf("------")),
      `------
 > run RUN false:
0.500 why
------

 1 warning found (use --debug to expand):
 - old
Dockerfile:2
--------------------
   1 |     FROM scratch
   2 | >>> RUN false
   3 |${"     "}
--------------------
ERROR: failed to build: failed to solve: ${error}
hint: look above
`,
    );
  });

  test("errors lose passwords and escape sequences; stacks come with --debug", async () => {
    const solve = () => Promise.reject(new Error("get https://me:hunter2@example.com/\u001b[31m"));
    const short = await build(["ctx"], { solve });
    assert.equal(short.stderr, "ERROR: failed to build: failed to solve: get https://xxxxx@example.com/[31m\n");
    const long = await build(["-D", "ctx"], { solve });
    assert.match(long.stderr, /\n {4}at /);
    assert.doesNotMatch(long.stderr, /hunter2/);
  });
});

suite("signals", () => {
  for (const [signal, expected] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`${signal} once cancels and waits; twice ends at once`, async () => {
      let send: (signal: "SIGINT" | "SIGTERM") => void = () => {};
      const result = await build(["ctx"], {
        onReady: (give) => (send = give),
        solve: (_request, _session, { signal: aborted }) =>
          new Promise((_, reject) => {
            aborted.addEventListener("abort", () => {
              send(signal);
              reject(aborted.reason as Error);
            });
            send(signal);
          }),
      });
      assert.equal(result.code, expected);
      assert.deepEqual(result.exits, [expected]);
      assert.equal(
        result.stderr,
        "canceling… (once more to stop at once)\nERROR: failed to build: failed to solve: Canceled: context canceled\n",
      );
      assert.equal(result.builder.closed, true);
    });
  }
});
