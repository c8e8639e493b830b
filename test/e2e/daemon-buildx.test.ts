// The real docker-buildx as client of our daemon: every kind of output, every way to give a build something, and what it shows of builds
// that fail and builds that were.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import bcrypt from "bcryptjs";
import { DockerPeer, withoutBuildx, withoutDocker } from "../integration/peers.ts";
import { exitOf, until } from "./children.ts";
import { DaemonPeer, RegistryPeer } from "./daemon-peer.ts";
import { Project } from "./project.ts";
import { checkLayout, leftovers } from "./store-inspection.ts";

const skip = withoutBuildx() || (process.getuid?.() === 0 ? false : "steps need root here");
const SHELL = 'FROM scratch AS shell\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n';

await suite("buildx drives the daemon", { skip }, () => {
  const project = new Project();
  let daemon: DaemonPeer;
  let registry: RegistryPeer;
  const write = (file: string, text: string) => writeFileSync(file, text);
  const path = (name: string) => join(project.dir, name);

  before(async () => {
    daemon = await DaemonPeer.start(project);
    registry = await RegistryPeer.start(path("registry"), write);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    assert.equal(await daemon.stop(), 0);
    try {
      assert.deepEqual(leftovers(project.state), []);
    } finally {
      project[Symbol.dispose]();
    }
  });

  const context = (dockerfile: string, files: Record<string, string> = {}) =>
    project.context(`${SHELL}${dockerfile}`, files);
  /** Builds, and fails the test where that fails. */
  const build = async (dir: string, ...flags: string[]) => {
    const outcome = await daemon.buildx(["build", ...flags, dir]);
    assert.equal(outcome.code, 0, outcome.output);
    return outcome.output;
  };

  test("inspect --bootstrap", async () => {
    const { code, output } = await daemon.buildx(["inspect", "--bootstrap"]);
    assert.equal(code, 0, output);
    assert.match(output, /Status:\s+running/);
    assert.match(output, /BuildKit version:\s+v\d/);
    assert.match(output, /Platforms:\s+linux\/a/);
    assert.match(output, /GC Policy rule#3/);
  });

  suite("outputs", () => {
    const hello = context('RUN echo hello > /hello\nCOPY file /\nCMD ["cat", "/hello"]\n', { file: "text\n" });

    test("image", async () => {
      const output = await build(hello, "-t", "app:1", "-o", "type=image", "--metadata-file", path("meta.json"));
      assert.match(output, /exporting config sha256:/);
      const metadata = JSON.parse(readFileSync(path("meta.json"), "utf8")) as Record<string, unknown>;
      assert.match(String(metadata["containerimage.digest"]), /^sha256:/);
      assert.equal(metadata["image.name"], "docker.io/library/app:1");
      assert.match(String(metadata["buildx.build.ref"]), /^ours\/ours0\//);
      const provenance = metadata["buildx.build.provenance"] as { invocation?: { parameters?: { frontend?: string } } };
      assert.equal(provenance.invocation?.parameters?.frontend, "dockerfile.v0");
    });

    test("nothing, and the cache alone", async () => {
      await build(hello);
      assert.match(await build(hello, "-o", "type=cacheonly"), /CACHED/);
    });

    test("local, copied into what is there, and mirrored", async () => {
      mkdirSync(path("out"));
      writeFileSync(path("out/mine"), "");
      await build(hello, "-o", path("out"));
      assert.equal(readFileSync(path("out/hello"), "utf8"), "hello\n");
      assert.equal(readFileSync(path("out/file"), "utf8"), "text\n");
      assert.ok(existsSync(path("out/mine")));
      assert.equal(statSync(path("out/bin/busybox")).mode & 0o111, 0o111);
    });

    test("tar", async () => {
      await build(hello, "-o", `type=tar,dest=${path("o.tar")}`);
      assert.match(execFileSync("tar", ["tf", path("o.tar")]).toString(), /^hello$/m);
      assert.equal(execFileSync("tar", ["xOf", path("o.tar"), "hello"]).toString(), "hello\n");
    });

    test("oci: an archive, and a folder", async () => {
      await build(hello, "-o", `type=oci,dest=${path("oci.tar")}`);
      mkdirSync(path("unpacked"));
      execFileSync("tar", ["xf", path("oci.tar"), "-C", path("unpacked")]);
      checkLayout(path("unpacked"));
      await build(hello, "-o", `type=oci,tar=false,dest=${path("layout")}`);
      checkLayout(path("layout"));
    });

    test("docker: an archive that docker load takes", async () => {
      await build(hello, "-t", "app:1", "-o", `type=docker,dest=${path("docker.tar")}`);
      const manifest = JSON.parse(execFileSync("tar", ["xOf", path("docker.tar"), "manifest.json"]).toString()) as {
        RepoTags: string[];
      }[];
      assert.deepEqual(manifest[0]?.RepoTags, ["app:1"]);
    });

    test("--load into a Docker Engine", { skip: withoutDocker() }, async () => {
      await using engine = await DockerPeer.start(registry.host);
      const { code, output } = await daemon.buildx(["build", "-t", "loaded:1", "--load", hello], {
        DOCKER_HOST: engine.host,
      });
      assert.equal(code, 0, output);
      assert.match((await engine.docker(["images"])).stdout, /loaded\s+1\s/);
    });

    test("a registry, and FROM it", async () => {
      await build(hello, "-t", `${registry.host}/app:1`, "--push");
      const from = project.context(`FROM ${registry.host}/app:1\nRUN cat /hello /file\n`);
      assert.match(await build(from, "--no-cache"), /\d hello\n#\d+ [\d.]+ text\n/);
    });

    test("attestations, which buildx reads back", async () => {
      const statement = `{"predicateType":"https://spdx.dev/Document","predicate":{"spdxVersion":"SPDX-2.3","name":"all"}}`;
      const scan = context('COPY scan /scan\nENTRYPOINT ["sh", "/scan"]\n', {
        scan: `test -f $BUILDKIT_SCAN_SOURCE/hello && echo '${statement}' > $BUILDKIT_SCAN_DESTINATION/sbom.json`,
      });
      await build(scan, "-t", `${registry.host}/scan:1`, "--push", "--provenance=false");
      const name = `${registry.host}/attested:1`;
      const asked = ["--provenance=mode=max", `--sbom=generator=${registry.host}/scan:1`];
      await build(hello, "-t", name, "--push", "--build-arg", "WHO=me", ...asked);
      const inspect = async (format: string): Promise<unknown> => {
        const { code, output } = await daemon.buildx(["imagetools", "inspect", "--format", format, name]);
        assert.equal(code, 0, output);
        return JSON.parse(output) as unknown;
      };
      const { SLSA: slsa } = (await inspect("{{json .Provenance}}")) as {
        SLSA: {
          buildDefinition: { externalParameters: { request: { frontend: string; args: Record<string, string> } } };
        };
      };
      const { request } = slsa.buildDefinition.externalParameters;
      assert.deepEqual([request.frontend, request.args["build-arg:WHO"]], ["dockerfile.v0", "me"]);
      assert.deepEqual(((await inspect("{{json .SBOM}}")) as { SPDX: { name: string } }).SPDX.name, "all");
      await build(hello, "-o", path("attested"), ...asked);
      assert.ok(existsSync(path("attested/provenance.json")) && existsSync(path("attested/sbom.json")));
    });

    test("provenance tells of the context's repository as the command's own builds do", async () => {
      const dir = project.context("FROM scratch\nCOPY file /\n", { file: "text\n", "sub/Other": "FROM scratch\n" });
      const who = ["-c", "user.name=a", "-c", "user.email=a@b"];
      for (const args of [
        ["init", "-q"],
        ["add", "."],
        [...who, "commit", "-qm", "one"],
        ["remote", "add", "origin", "https://me:token@example.com/it.git"],
      ])
        execFileSync("git", args, { cwd: dir });
      const vcsOf = (place: string) => {
        const text = readFileSync(path(`${place}/provenance.json`), "utf8");
        const { predicate } = JSON.parse(text) as {
          predicate: { runDetails: { metadata: { buildkit_metadata: { vcs: Record<string, string> } } } };
        };
        return predicate.runDetails.metadata.buildkit_metadata.vcs;
      };
      const flags = ["--provenance=mode=max", "-f", join(dir, "sub/Other")];
      await build(dir, "-o", path("theirs"), ...flags);
      const own = project.slipway(["build", "-o", path("ours"), ...flags, dir], { SLIPWAY_ROOT: path("own-state") });
      assert.equal(own.code, 0, own.output);
      assert.equal(vcsOf("theirs")["source"], "https://example.com/it.git");
      assert.equal(vcsOf("theirs")["localdir:dockerfile"], "sub");
      assert.deepEqual(vcsOf("ours"), vcsOf("theirs"));
    });

    test("two outputs at once, for two platforms", async () => {
      const plain = project.context("FROM scratch\nARG TARGETARCH\nCOPY busybox /\n");
      const outputs = ["-o", `type=oci,dest=${path("multi.tar")}`, "-o", path("multi")];
      await build(plain, "--platform", "linux/amd64,linux/arm64", ...outputs);
      assert.deepEqual(readdirSync(path("multi")).sort(), ["linux_amd64", "linux_arm64"]);
    });
  });

  suite("what a build is given", () => {
    test("an unchanged context sends nothing but stats; a changed file is sent, a removed one goes", async () => {
      const files = { big: "x".repeat(3_000_000), "dir/a": "a", "dir/b": "b" };
      const dir = context("COPY . /src\nRUN find /src -type f | sort && wc -c < /src/big\n", files);
      const sent = (output: string) =>
        /transferring context: ([\d.]+\w?B)/.exec(output.split("load build context").at(-1)!)?.[1];
      const first = await build(dir, "-o", "type=cacheonly");
      assert.match(sent(first)!, /[\d.]+MB/);
      assert.match(sent(await build(dir, "-o", "type=cacheonly"))!, /^\d+B$/);
      rmSync(join(dir, "dir/a"));
      writeFileSync(join(dir, "dir/c"), "c");
      const changed = await build(dir, "-o", "type=cacheonly");
      assert.match(sent(changed)!, /^\d+B$/);
      assert.match(changed, /\/src\/dir\/b\n#\d+ [\d.]+ \/src\/dir\/c\n/);
      assert.doesNotMatch(changed, /\/src\/dir\/a\n/);
    });

    test(".dockerignore, links, modes, and names that are not ASCII", async () => {
      const dir = context("COPY . /src\nRUN cd /src && ls -l link run.sh && cat link && test ! -e no && cat 'ä b'\n", {
        ".dockerignore": "no\nbusybox\n!ü\n",
        no: "",
        "run.sh": "",
        target: "through the link\n",
        "ä b": "umlaut\n",
      });
      execFileSync("sh", ["-c", "ln -s target link && chmod 750 run.sh && ln target hard"], { cwd: dir });
      writeFileSync(
        join(dir, "Dockerfile"),
        readFileSync(join(dir, "Dockerfile"), "utf8").replace("COPY busybox", "COPY --from=box busybox"),
      );
      const box = project.context("");
      const output = await build(dir, "-o", "type=cacheonly", "--build-context", `box=${box}`);
      assert.match(output, /lrwxrwxrwx .* link -> target/);
      assert.match(output, /-rwxr-x--- .* run.sh/);
      assert.match(output, /through the link/);
      assert.match(output, /umlaut/);
    });

    test("secrets, as files and as environment; one that is missing", async () => {
      const dir = context(
        'RUN --mount=type=secret,id=file cat /run/secrets/file | wc -c\nRUN --mount=type=secret,id=e,env=E sh -c "echo ${#E}"\n',
      );
      writeFileSync(path("token"), "hush-hush\n");
      const flags = ["--secret", `id=file,src=${path("token")}`, "--secret", "id=e,env=VALUE"];
      const given = await daemon.buildx(["build", "--no-cache", ...flags, dir], { VALUE: "four" });
      assert.equal(given.code, 0, given.output);
      assert.match(given.output, /\d 10\n/);
      assert.doesNotMatch(given.output, /hush/);
      const needs = context("RUN --mount=type=secret,id=nothere,required=true true\n");
      const missing = await daemon.buildx(["build", needs]);
      assert.equal(missing.code, 1);
      assert.match(missing.output, />>> RUN --mount=type=secret,id=nothere[^]*secret nothere: not found/);
    });

    test("an ssh agent", async () => {
      const dir = context(
        'RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && nc local:$SSH_AUTH_SOCK < /dev/null; ls -l $SSH_AUTH_SOCK\n',
      );
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path("key")]);
      const output = await build(dir, "--no-cache", "--ssh", `default=${path("key")}`);
      assert.match(output, /srw------- .*agent/);
      const missing = await daemon.buildx([
        "build",
        "--no-cache",
        context("RUN --mount=type=ssh,required=true true\n"),
      ]);
      assert.equal(missing.code, 1);
      assert.match(missing.output, /unset ssh forward key default/);
    });

    test("build contexts: a folder, an OCI layout, an image", async () => {
      const other = project.context("", { mark: "from the other folder\n" });
      const base = context("RUN echo from the layout > /mark\n");
      await build(base, "-o", `type=oci,tar=false,dest=${path("base")}`);
      await build(base, "-t", `${registry.host}/base:1`, "--push");
      const dir = project.context(
        "FROM layout\nRUN cat /mark\nCOPY --from=other mark /other\nRUN cat /other\nFROM image\nCOPY --from=0 /other /\nRUN cat /mark /other\n",
      );
      const output = await build(
        dir,
        "--no-cache",
        ...["--build-context", `other=${other}`],
        ...["--build-context", `layout=oci-layout://${path("base")}`],
        ...["--build-context", `image=docker-image://${registry.host}/base:1`],
      );
      assert.match(output, /from the layout/);
      assert.match(output, /from the other folder/);
    });

    test("a context, and a Dockerfile, from standard input", async () => {
      const dir = context("COPY note /\nRUN cat /note\n", { note: "from a tar\n" });
      const tar = execFileSync("tar", ["c", "-C", dir, "."], { maxBuffer: 1 << 28 });
      const piped = await daemon.buildx(["build", "--no-cache", "-"], {}, tar);
      assert.equal(piped.code, 0, piped.output);
      assert.match(piped.output, /from a tar/);
      const dockerfile = `${SHELL}COPY note /\nRUN echo piped && cat /note\n`;
      const file = await daemon.buildx(["build", "--no-cache", "-f", "-", dir], {}, dockerfile);
      assert.equal(file.code, 0, file.output);
      assert.match(file.output, /piped\n#\d+ [\d.]+ from a tar/);
    });
  });

  suite("caches", () => {
    const dir = context("ARG N\nRUN echo $N > /n\nRUN head -c 100000 /dev/urandom > /random\n");
    const prune = async () => {
      const { code, output } = await daemon.buildx(["prune", "-af"]);
      assert.equal(code, 0, output);
      assert.match(output, /Total:/);
    };
    const cases: [name: string, to: () => string[], from: () => string[]][] = [
      [
        "local",
        () => ["--cache-to", `type=local,dest=${path("cache")},mode=max`],
        () => ["--cache-from", `type=local,src=${path("cache")}`],
      ],
      [
        "registry",
        () => ["--cache-to", `type=registry,ref=${registry.host}/cache:1,mode=max`],
        () => ["--cache-from", `type=registry,ref=${registry.host}/cache:1`],
      ],
      [
        "inline",
        () => ["--cache-to", "type=inline", "-t", `${registry.host}/inline:1`, "--push"],
        () => ["--cache-from", `${registry.host}/inline:1`],
      ],
    ];
    for (const [name, to, from] of cases) {
      test(name, async () => {
        await build(dir, "--build-arg", `N=${name}`, ...to());
        await prune();
        const output = await build(dir, "--build-arg", `N=${name}`, ...from(), "-o", path(`from-${name}`));
        assert.match(output, /importing cache manifest/);
        assert.match(output, /RUN head -c 100000 \/dev\/urandom > \/random\n#\d+ CACHED/);
        assert.equal(statSync(path(`from-${name}/random`)).size, 100_000);
      });
    }
  });

  suite("registries that want to know who asks", () => {
    test("are told by the client, and one client's word does not count for another", async () => {
      const hash = bcrypt.hashSync("pw", 4);
      writeFileSync(path("htpasswd"), `bob:${hash}\n`);
      const auth = `auth: {htpasswd: {realm: x, path: ${path("htpasswd")}}}\n`;
      await using closed = await RegistryPeer.start(path("closed"), write, auth);
      mkdirSync(path("bob"));
      const token = Buffer.from("bob:pw").toString("base64");
      writeFileSync(path("bob/config.json"), JSON.stringify({ auths: { [closed.host]: { auth: token } } }));
      const bob = { DOCKER_CONFIG: path("bob") };
      const dir = context("");
      const push = ["build", "-t", `${closed.host}/app:1`, "--push", dir];
      const denied = await daemon.buildx(push);
      assert.equal(denied.code, 1);
      assert.match(denied.output, /push access denied/);
      const pushed = await daemon.buildx(push, bob);
      assert.equal(pushed.code, 0, pushed.output);
      const from = ["build", project.context(`FROM ${closed.host}/app:1\nRUN true\n`)];
      assert.equal((await daemon.buildx(from, bob)).code, 0);
      assert.match((await daemon.buildx(from)).output, /pull access denied/);
    });
  });

  suite("questions", () => {
    const dir = context("ARG VERSION=1 \n# ok\nFROM shell AS final\nworkdir /tmp\n");

    test("--call=check prints warnings with their lines and fails", async () => {
      const { code, output } = await daemon.buildx(["build", "--call=check", dir]);
      assert.equal(code, 1, output);
      assert.match(output, /WARNING: ConsistentInstructionCasing/);
      assert.match(output, />>> workdir \/tmp/);
    });

    test("--call=outline and --call=targets", async () => {
      const outline = await daemon.buildx(["build", "--call=outline", dir]);
      assert.equal(outline.code, 0, outline.output);
      assert.match(outline.output, /TARGET:\s+final/);
      const targets = await daemon.buildx(["build", "--call=targets", dir]);
      assert.equal(targets.code, 0, targets.output);
      assert.match(targets.output, /shell[^]*final \(default\)/);
    });

    test("warnings of a build that works", async () => {
      const { code, output } = await daemon.buildx(["build", dir]);
      assert.equal(code, 0, output);
      assert.match(output, /1 warning found[^]*ConsistentInstructionCasing/);
    });
  });

  test("bake: targets as contexts of others, outputs of several", async () => {
    context("");
    const app = context("RUN echo of the base > /mark\n");
    writeFileSync(
      path("docker-bake.hcl"),
      `group "default" {
  targets = ["one", "two"]
}
target "base" {
  context = "${app}"
}
target "one" {
  context = "${app}"
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base\\nRUN cat /mark"
  output = ["type=tar,dest=${path("one.tar")}"]
}
target "two" {
  context = "${app}"
  dockerfile-inline = "FROM scratch\\nCOPY busybox /"
  output = ["type=local,dest=${path("two")}"]
}
`,
    );
    const { code, output } = await daemon.buildx(["bake", "--allow=fs=*", "-f", path("docker-bake.hcl")]);
    assert.equal(code, 0, output);
    assert.match(output, /of the base/);
    assert.match(execFileSync("tar", ["tf", path("one.tar")]).toString(), /^mark$/m);
    assert.ok(existsSync(path("two/busybox")));
  });

  suite("errors", () => {
    test("a step that fails: its lines, its log, its exit code", async () => {
      const { code, output } = await daemon.buildx(["build", context("RUN echo why; exit 7\n")]);
      assert.equal(code, 1);
      assert.match(output, /Dockerfile:4\n-+\n[^]*>>> RUN echo why; exit 7\n/);
      assert.match(
        output,
        /ERROR: failed to build: failed to solve: process "[^"]*" did not complete successfully: exit code: 7/,
      );
    });

    test("a Dockerfile that can't be read", async () => {
      const { code, output } = await daemon.buildx(["build", context("RUNX\n")]);
      assert.equal(code, 1);
      assert.match(
        output,
        />>> RUNX\n[^]*ERROR: failed to build: failed to solve: dockerfile parse error on line 4: unknown instruction: RUNX/,
      );
    });

    test("a file that is not in the context", async () => {
      const { output } = await daemon.buildx(["build", context("COPY nothere /\n")]);
      assert.match(output, />>> COPY nothere \/\n[^]*"\/nothere": not found/);
    });

    test("what the daemon does not allow", async () => {
      const dir = context("RUN --security=insecure true\n");
      const { code, output } = await daemon.buildx(["build", "--allow", "security.insecure", dir]);
      assert.equal(code, 1);
      assert.match(output, /security.insecure is not allowed/);
    });
  });

  test("du and prune", async () => {
    const dir = context("RUN --mount=type=cache,target=/c head -c 50000 /dev/urandom > /c/r\n");
    await build(dir);
    const usage = await daemon.buildx(["du", "--verbose"]);
    assert.equal(usage.code, 0, usage.output);
    assert.match(usage.output, /Type:\s+exec.cachemount/);
    assert.match(usage.output, /Type:\s+source.local/);
    const filtered = await daemon.buildx(["prune", "-af", "--filter", "type=exec.cachemount"]);
    assert.match(filtered.output, /Total:\s+[\d.]+kB/);
    assert.doesNotMatch((await daemon.buildx(["du", "--verbose"])).output, /exec.cachemount/);
    await daemon.buildx(["prune", "-af"]);
    assert.match((await daemon.buildx(["du"])).output, /Total:\s+0B/);
  });

  suite("history", () => {
    test("ls, logs, inspect, rm", async () => {
      const dir = context("RUN echo for the record\n");
      await build(dir, "--no-cache", "--metadata-file", path("record.json"));
      const good = refOf("record.json");
      await daemon.buildx(["build", context("RUN echo broken && false\n")]);
      const list = await daemon.buildx(["history", "ls"]);
      assert.match(list.output, new RegExp(`${good}\\s+\\S+\\s+Completed`));
      assert.match(list.output, /Error/);
      const onlyErrors = await daemon.buildx(["history", "ls", "--filter", "status=error"]);
      assert.doesNotMatch(onlyErrors.output, new RegExp(good));
      const logs = await daemon.buildx(["history", "logs", good]);
      assert.match(logs.output, /\d for the record\n/);
      const attached = await daemon.buildx(["history", "inspect", good]);
      assert.match(attached.output, /https:\/\/slsa.dev\/provenance\/v0.2/);
      const inspected = await daemon.buildx(["history", "inspect"]);
      assert.equal(inspected.code, 0, inspected.output);
      assert.match(inspected.output, /exit code: 1\n[^]*>>> RUN echo broken && false/);
      const removed = await daemon.buildx(["history", "rm", good]);
      assert.equal(removed.code, 0, removed.output);
      assert.doesNotMatch((await daemon.buildx(["history", "ls"])).output, new RegExp(good));
    });
  });

  function refOf(file: string): string {
    const metadata = JSON.parse(readFileSync(path(file), "utf8")) as Record<string, string>;
    return metadata["buildx.build.ref"]!.split("/").at(-1)!;
  }

  test("a client that is killed while others want the same steps: theirs go on, with their own secrets", async () => {
    const secret = path("shared-secret");
    writeFileSync(secret, "whose\n");
    const dir = context(
      "RUN sleep 4 && echo together > /t\nRUN --mount=type=secret,id=s,required=true wc -c < /run/secrets/s && cat /t\n",
    );
    const args = ["build", "--secret", `id=s,src=${secret}`, dir];
    const child = daemon.spawnBuildx(["--builder", "ours", ...args]);
    let output = "";
    child.stderr!.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(
      () => output.includes("RUN sleep 4"),
      () => output,
    );
    const other = daemon.buildx(args);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    child.kill("SIGKILL");
    await exitOf(child);
    const { code, output: said } = await other;
    assert.equal(code, 0, said);
    assert.match(said, /\d 6\n#\d+ [\d.]+ together/);
  });

  test("a client that is killed in the middle disturbs nobody", async () => {
    const slow = context("RUN sleep 30\n");
    const child = daemon.spawnBuildx(["--builder", "ours", "build", "--no-cache", slow]);
    let output = "";
    child.stderr!.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await until(
      () => output.includes("RUN sleep 30"),
      () => output,
    );
    const other = build(context("RUN sleep 1 && echo undisturbed\n"), "--no-cache");
    child.kill("SIGKILL");
    await exitOf(child);
    assert.match(await other, /undisturbed/);
  });
});
