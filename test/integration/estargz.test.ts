// eStargz layers: made where asked for, described as clients want them, unpacked like others, and taken for eStargz by BuildKit.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Project } from "../e2e/project.ts";
import { LayoutReader } from "./layout-reader.ts";
import { DockerPeer, withoutDocker } from "./peers.ts";
import { RegistryPeer, withoutRegistry } from "./registry-peer.ts";

const noRuntime =
  process.getuid?.() !== 0
    ? "needs root"
    : ["runc", "crun"].some((name) => spawnSync(name, ["--version"]).status === 0)
      ? false
      : "no runc or crun";

suite("eStargz", { skip: noRuntime }, () => {
  const dockerfile = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "busybox head -c 5000000 /dev/urandom > /big && busybox ln -s big /link"]
RUN ["/bin/busybox", "rm", "/link"]
`;
  const ok = (project: Project, argv: readonly string[]): string => {
    const { code, output } = project.slipway(argv);
    assert.equal(code, 0, output);
    return output;
  };

  test("layers say what they are, and unpack to what plain ones do", () => {
    using project = new Project();
    const context = project.context(dockerfile);
    const out = join(project.dir, "out");
    const plain = join(project.dir, "plain");
    ok(project, ["build", "-o", `type=oci,dest=${plain},tar=false`, context]);
    ok(project, [
      ...["build", "-t", "kept", "-o", `type=oci,dest=${out},tar=false,compression=estargz,force-compression=true`],
      ...["-o", "type=image,compression=estargz,force-compression=true", context],
    ]);
    const [a, b] = [new LayoutReader(plain), new LayoutReader(out)];
    const { layers, config } = b.manifest();
    const diffIds = b.json<{ rootfs: { diff_ids: string[] } }>(config.digest).rootfs.diff_ids;
    for (const [at, { mediaType, annotations }] of layers.entries()) {
      assert.match(mediaType, /\+gzip$/);
      assert.match(annotations!["containerd.io/snapshot/stargz/toc.digest"]!, /^sha256:[0-9a-f]{64}$/);
      const size = Number(annotations!["io.containers.estargz.uncompressed-size"]);
      const unpacked = execFileSync("gzip", ["-dc", join(out, "blobs", layers[at]!.digest.replace(":", "/"))], {
        maxBuffer: 1 << 26,
      });
      assert.equal(unpacked.length, size);
      assert.equal(
        execFileSync("sha256sum", { input: unpacked, encoding: "utf8" }).split(" ")[0],
        diffIds[at]!.slice(7),
      );
      assert.ok(!Object.keys(annotations!).some((key) => key.startsWith("containerd.io/uncompressed")));
    }
    assert.notDeepEqual(
      layers.map(({ digest }) => digest),
      a.manifest().layers.map(({ digest }) => digest),
    );
    // As a base, kept or as a layout, it has the same files.
    const sum = 'RUN ["/bin/busybox", "sh", "-c", "busybox sha256sum /big > /sum"]\n';
    const sums = [
      ok(project, ["build", "--no-cache", "-o", join(project.dir, "one"), project.context(`FROM kept\n${sum}`)]),
      ok(project, [
        "--root",
        join(project.dir, "fresh"),
        "build",
        "--build-context",
        `base=oci-layout://${out}:latest`,
        "-o",
        join(project.dir, "two"),
        project.context(`FROM base\n${sum}`),
      ]),
    ];
    assert.equal(sums.length, 2);
    execFileSync("cmp", [join(project.dir, "one/sum"), join(project.dir, "two/sum")]);
    execFileSync("cmp", [join(project.dir, "one/big"), join(project.dir, "two/big")]);
    // With other options the same layers are plain again.
    const again = join(project.dir, "again");
    ok(project, ["build", "-o", `type=oci,dest=${again},tar=false`, context]);
    assert.deepEqual(new LayoutReader(again).manifest().layers, a.manifest().layers);
  });

  test("Docker's BuildKit takes the layers for eStargz", { skip: withoutDocker() || withoutRegistry() }, async () => {
    using project = new Project();
    await using registry = await RegistryPeer.start(join(project.dir, "registry"));
    const name = `${registry.host}/stargz:1`;
    ok(project, [
      "build",
      "--push",
      "--provenance=false",
      "-t",
      name,
      "-o",
      "type=image,compression=estargz,force-compression=true,push=true",
      project.context(dockerfile),
    ]);
    const { layers } = await registry.json<{ layers: { digest: string }[] }>("stargz/manifests/1");
    await using docker = await DockerPeer.start(registry.host);
    const tar = join(project.dir, "theirs.tar");
    // It knows eStargz by looking into blobs that it has; others it would pack anew, which Docker 28's can't: it fails at the footer.
    await docker.build(["-o", "type=cacheonly", project.context(`FROM ${name}\nCOPY Dockerfile /\n`)]);
    const context = project.context(`FROM ${name}\nLABEL a=b\n`);
    await docker.build(["-o", `type=oci,dest=${tar},compression=estargz,force-compression=true`, context]);
    const theirs = join(project.dir, "theirs");
    mkdirSync(theirs);
    execFileSync("tar", ["-xf", tar, "-C", theirs]);
    const kept = new LayoutReader(theirs).manifest().layers.map(({ digest }) => digest);
    assert.deepEqual(
      kept.slice(0, layers.length),
      layers.map(({ digest }) => digest),
    );
  });

  test("what can't be is refused before the build", () => {
    using project = new Project();
    const context = project.context("FROM scratch\nCOPY busybox /\n");
    const rows: [readonly string[], RegExp][] = [
      [
        ["-o", "type=oci,dest=x,compression=estargz,oci-mediatypes=false"],
        /"compression=estargz" conflicts with "oci-mediatypes=false"/,
      ],
      [["--cache-to", "type=local,dest=x,compression=estargz"], /caches are not kept as eStargz/],
      [["-o", "type=oci,dest=x,compression=estargz,compression-level=12"], /compression-level 12 is out of range/],
    ];
    for (const [argv, message] of rows) {
      const { code, output } = project.slipway(["build", ...argv, context]);
      assert.equal(code, 1, output);
      assert.match(output, message);
    }
  });
});
