// Input that can't work, as whole commands see it: a clear error with place and remedy, exit code 1, and a store that builds the next
// thing well. Parsers and single rooms have their own tests of hostile input; here it is what the user is told.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { encodeHeader, NO_XATTRS, paddingAfter, TAR_END } from "../../src/formats/archive/index.ts";
import { Project, program } from "./project.ts";
import { leftovers } from "./store-inspection.ts";

const project = new Project();
after(() => project[Symbol.dispose]());

const SHELL = "FROM scratch\nCOPY busybox /bin/sh\n";

/** The build fails with `pattern`; the store has nothing left over, and builds well. */
function refuses(context: string, pattern: RegExp, ...flags: string[]): void {
  const { code, output } = project.slipway(["build", ...flags, context]);
  assert.equal(code, 1, output);
  assert.match(output, pattern);
  assert.doesNotMatch(output, /\n\s+at \S+ \(|node:internal/, "a stack is no message");
  const next = project.slipway(["build", project.context("FROM scratch\nCOPY busybox /\n")]);
  assert.equal(next.code, 0, next.output);
  assert.deepEqual(leftovers(project.state), []);
}

suite("Dockerfiles that can't be built", () => {
  const cases: [name: string, dockerfile: string, pattern: RegExp, ...flags: string[]][] = [
    [
      "unknown instruction",
      "FROM scratch\nCOPPY a b\n",
      /2 \| >>> COPPY a b\n[^]*line 2: unknown instruction: COPPY \(did you mean COPY\?\)/,
    ],
    [
      "unknown flag of an instruction",
      "FROM scratch\nCOPY --nope a b\n",
      /2 \| >>> COPY --nope a b\n[^]*unknown flag: --nope/,
    ],
    ["unterminated heredoc", "FROM scratch\nRUN <<EOT\nabc\n", /2 \| >>> RUN <<EOT\n[^]*unterminated heredoc/],
    ["unknown stage", `${SHELL}`, /target stage "biuld" could not be found/, "--target=biuld"],
    ["unknown command flag", `${SHELL}`, /unknown flag: --nope\n/, "--nope"],
    [
      "missing file",
      "FROM scratch\nCOPY missing /\n",
      /2 \| >>> COPY missing \/\n[^]*"\/missing": not found\nhint: .*\.dockerignore/,
    ],
    [
      "cycle",
      "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\nFROM a\n",
      /circular dependency detected on stage: /,
    ],
    ["a link out of the context", "FROM scratch\nCOPY out/passwd /\n", /not found/],
    [
      "refusing registry",
      "FROM 127.0.0.1:9/x:1\n",
      /1 \| >>> FROM 127\.0\.0\.1:9\/x:1\n[^]*can't be reached: connection refused\nhint: /,
    ],
    [
      "missing base in --from",
      "FROM scratch\nCOPY --from=127.0.0.1:9/x /a /\n",
      /2 \| >>> COPY --from=127[^]*connection refused/,
    ],
    [
      "missing secret",
      `${SHELL}RUN --mount=type=secret,id=gone,required=true true\n`,
      />>> RUN --mount=type=secret[^]*secret gone: not found/,
    ],
    ["not allowed", `${SHELL}RUN --security=insecure true\n`, /security\.insecure is not allowed/],
  ];
  for (const [name, dockerfile, pattern, ...flags] of cases) {
    test(name, () => {
      const context = project.context(dockerfile);
      symlinkSync("/etc", join(context, "out"));
      refuses(context, pattern, ...flags);
    });
  }
});

suite("steps that fail", () => {
  test("exit code, shell's hints, last lines", () => {
    refuses(
      project.context(`${SHELL}RUN echo last words; exit 7\n`),
      /last words\n[^]*did not complete successfully: exit code: 7\n/,
    );
    refuses(project.context(`${SHELL}RUN nonesuch\n`), /exit code: 127\nhint: a command was not found/);
    refuses(project.context(`${SHELL}RUN sh -c 'kill -SEGV $$'; exit $?\n`), /exit code: 139\n/);
  });

  test("out of memory is named as such", () => {
    const script = `${SHELL}RUN <<EOF\na=x\nwhile true; do a="$a$a"; done\nEOF\n`;
    refuses(project.context(script), /did not complete successfully: cannot allocate memory\nhint: /, "--memory=48m");
  });
});

suite("a registry that sends other bytes than it announced", () => {
  test("the digest is checked, the step named, nothing kept", async () => {
    const layer = gzipSync(TAR_END);
    const config = Buffer.from(
      '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:' + "0".repeat(64) + '"]}}',
    );
    const { createHash } = await import("node:crypto");
    const digest = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digest(config), size: config.length },
        layers: [
          { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digest(layer), size: layer.length },
        ],
      }),
    );
    const answers = new Map([
      ["/v2/", Buffer.from("{}")],
      ["/v2/liar/manifests/1", manifest],
      [`/v2/liar/manifests/${digest(manifest)}`, manifest],
      [`/v2/liar/blobs/${digest(config)}`, config],
      [`/v2/liar/blobs/${digest(layer)}`, Buffer.alloc(layer.length, 7)],
    ]);
    const server = createServer((request, response) => {
      const body = answers.get(request.url ?? "");
      response.writeHead(body === undefined ? 404 : 200, {
        "content-type":
          request.url?.includes("manifests") === true
            ? "application/vnd.oci.image.manifest.v1+json"
            : "application/octet-stream",
        ...(body === undefined ? {} : { "content-length": String(body.length) }),
      });
      response.end(request.method === "HEAD" ? undefined : body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const context = project.context(`FROM 127.0.0.1:${port}/liar:1\nCOPY busybox /bin/sh\nRUN true\n`);
    const { code, output } = await slipwayAsync(["build", context]);
    server.close();
    server.closeAllConnections();
    assert.equal(code, 1, output);
    assert.match(output, /digest/);
    assert.match(output, new RegExp(`sha256:${digest(layer).slice(7)}`));
    assert.ok(!existsSync(join(project.state, "content/blobs/sha256", digest(layer).slice(7))));
    assert.deepEqual(leftovers(project.state), []);
  });
});

suite("hostile archives", () => {
  const file = (path: string, content: string, more: object = {}): Buffer[] => {
    const entry = {
      path,
      type: "file" as const,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtimeNs: 0n,
      size: content.length,
      linkname: "",
      devMajor: 0,
      devMinor: 0,
      xattrs: NO_XATTRS,
      ...more,
    };
    return [encodeHeader(entry), Buffer.from(content), Buffer.alloc(paddingAfter(content.length))];
  };
  const link = (path: string, linkname: string, type: "symlink" | "hardlink" = "symlink"): Buffer[] =>
    file(path, "", { type, linkname });
  const archives: Record<string, Buffer[]> = {
    "dot dot": file("../../escaped", "x"),
    "absolute path": file("/escaped", "x"),
    "through an absolute link": [...link("out", "/"), ...file("out/escaped", "x")],
    "through a chain of links": [
      ...link("a", "b"),
      ...link("b", ".."),
      ...link("c", "a/../.."),
      ...file("c/escaped", "x"),
    ],
    "hard link out": [...link("h", "../../../../../../etc/passwd", "hardlink"), ...file("h", "overwritten")],
  };
  for (const [name, parts] of Object.entries(archives)) {
    test(`${name}: refused, or kept inside`, () => {
      const before = [statSync("/etc/passwd").size, statSync("/etc/passwd").mtimeMs];
      const context = project.context("FROM scratch\nADD evil.tar /sub/\n", {
        "evil.tar": Buffer.concat([...parts, TAR_END]),
      });
      const { code, output } = project.slipway(["build", "-o", join(context, "out"), context]);
      assert.ok(code === 0 || code === 1, output);
      if (code === 1) assert.match(output, /2 \| >>> ADD evil\.tar/);
      for (const place of [
        "/escaped",
        join(project.dir, "escaped"),
        join(project.state, "escaped"),
        join(project.state, "snapshots/escaped"),
      ])
        assert.ok(!existsSync(place), place);
      assert.deepEqual([statSync("/etc/passwd").size, statSync("/etc/passwd").mtimeMs], before);
      assert.deepEqual(leftovers(project.state), []);
    });
  }

  test("a cut archive is told with the line", () => {
    const cut = Buffer.concat(file("f", "x".repeat(2000))).subarray(0, 900);
    refuses(project.context("FROM scratch\nADD evil.tar /\n", { "evil.tar": cut }), /2 \| >>> ADD evil\.tar/);
  });
});

suite("a state directory that can't be used", () => {
  for (const [name, root, reason] of [
    ["below a file", "file/x", "not a directory"],
    ["a file", "file", "file already exists"],
    ["where nothing can be made", "/proc/slipway", "no such file or directory"],
  ] as const) {
    test(name, () => {
      writeFileSync(join(project.dir, "file"), "");
      const at = root.startsWith("/") ? root : join(project.dir, root);
      const { code, output } = project.slipway(["build", "--root", at, project.context(SHELL)]);
      assert.equal(code, 1, output);
      assert.equal(
        output,
        `ERROR: cannot make the state directory ${at}: ${reason}\nhint: choose a writable one with --root or SLIPWAY_ROOT\n`,
      );
    });
  }

  test("a full disk: told as such by every command, and prune gets out of it", (context) => {
    const disk = join(project.dir, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]);
    context.after(() => execFileSync("umount", ["-l", disk]));
    const root = join(disk, "state");
    const run = (...argv: string[]) => project.slipway([...argv, "--root", root]);
    const small = project.context("FROM scratch\nCOPY busybox /\n");
    assert.equal(run("build", "-t", "kept", small).code, 0);

    const copy = run("build", project.context("FROM scratch\nCOPY big /\n", { big: Buffer.alloc(50 << 20, 1) }));
    assert.equal(copy.code, 1, copy.output);
    assert.match(
      copy.output,
      /2 \| >>> COPY big \/\n[^]*no space left on the disk of the state directory\nhint: free some space, .*slipway prune\n$/,
    );
    const step = run(
      "build",
      project.context(`${SHELL}RUN ["/bin/sh", "-c", "exec dd if=/dev/zero of=/x bs=65536"]\n`),
    );
    assert.equal(step.code, 1, step.output);
    assert.match(step.output, /hint: the disk of the state directory is full: .*slipway prune\n$/);
    assert.deepEqual(leftovers(root), []);

    writeFileSync(join(root, "junk"), "");
    try {
      for (;;) writeFileSync(join(root, "junk"), Buffer.alloc(4096), { flag: "a" });
    } catch {
      // Full now.
    }
    for (const argv of [["build", small], ["du"], ["images"]]) {
      const { code, output } = run(...argv);
      // What needs no new page of the disk may as well work.
      if (code === 0 && argv[0] !== "build") continue;
      assert.equal(code, 1, output);
      assert.match(
        output,
        /no space left on the disk of .*\nhint: free some space, for example with: slipway prune\n$/,
      );
    }
    const pruned = run("prune", "-a", "-f");
    assert.equal(pruned.code, 0, pruned.output);
    const again = run("build", small);
    assert.equal(again.code, 0, again.output);
    assert.deepEqual(leftovers(root), []);
  });
});

suite("secrets", () => {
  test("are nowhere in the state directory, in no output, in no exported image", () => {
    const word = `s3cret-${process.pid}-${Math.random().toString(36).slice(2)}`;
    const file = join(project.dir, "word");
    writeFileSync(file, word);
    const context = project.context(
      `${SHELL}RUN --mount=type=secret,id=file --mount=type=secret,id=env,env=WORD test -s /run/secrets/file && test -n "$WORD" && echo done > /done\nRUN --mount=type=secret,id=env,env=WORD exit 3\n`,
    );
    const args = [
      "--secret",
      `id=file,src=${file}`,
      "--secret",
      "id=env,env=THE_WORD",
      "--metadata-file",
      join(project.dir, "meta.json"),
    ];
    const failed = project.slipway(["build", ...args, "-o", "type=oci,dest=image.tar", context], { THE_WORD: word });
    assert.equal(failed.code, 1, failed.output);
    assert.match(failed.output, /exit code: 3/);
    const good = project.context(readFileSync(join(context, "Dockerfile"), "utf8").replace("exit 3", "true"));
    const built = project.slipway(
      [
        "build",
        ...args,
        "-t",
        "secretive",
        "-o",
        "type=image",
        "-o",
        "type=oci,tar=false,compression=uncompressed,dest=image",
        "--debug",
        good,
      ],
      { THE_WORD: word },
    );
    assert.equal(built.code, 0, built.output);
    assert.ok(!`${failed.output}${built.output}`.includes(word));
    const searched = [project.state, join(project.dir, "image"), join(project.dir, "meta.json")].flatMap(filesBelow);
    assert.ok(searched.some((path) => path.includes("/logs/")) && searched.some((path) => path.endsWith("store.db")));
    assert.deepEqual(
      searched.filter((path) => readFileSync(path).includes(word)),
      [],
    );
  });
});

/** Regular files, links not followed. */
function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inside = join(path, entry.name);
    return entry.isDirectory() ? filesBelow(inside) : entry.isFile() ? [inside] : [];
  });
}

/** For builds that this very process serves. */
function slipwayAsync(argv: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [program, ...argv], {
    env: { ...process.env, SLIPWAY_ROOT: project.state, BUILDKIT_PROGRESS: "plain" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}
