// Several nodes as one builder: two daemons, each for a platform, and what they make joined.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryRegistry, RegistryClient } from "../../src/distribution/index.ts";
import { parseIndex, parseReference } from "../../src/formats/oci/index.ts";
import { withoutBuildx } from "../integration/peers.ts";
import { DaemonPeer } from "./daemon-peer.ts";
import { program, Project } from "./project.ts";

test("platforms are built by the nodes that have them", { skip: withoutBuildx() }, async (t) => {
  await using registry = await MemoryRegistry.start();
  using project = new Project();
  using one = new Project();
  using two = new Project();
  await using first = await DaemonPeer.start(one);
  await using second = await DaemonPeer.start(two);
  const env = {
    ...process.env,
    SLIPWAY_CONFIG: join(project.dir, "config"),
    SLIPWAY_ROOT: project.state,
    BUILDKIT_PROGRESS: "plain",
  };
  const slipway = (...argv: string[]): Promise<{ code: number; output: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...argv], { env, cwd: project.dir }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, output: stdout + stderr }),
      );
    });
  const ok = async (...argv: string[]) => {
    const { code, output } = await slipway(...argv);
    assert.equal(code, 0, output);
    return output;
  };
  await ok("create", "--name", "fleet", "--driver", "remote", "--use", first.address);
  await ok("create", "--name", "fleet", "--append", "--node", "arm", "--platform", "linux/arm64", second.address);
  assert.match(await ok("inspect"), /Name: +arm\n[^]*linux\/arm64\*/);
  const dir = project.context("FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY busybox /\n");

  await t.test("one index of both", async () => {
    const ref = `${registry.host}/fleet/app:1`;
    await ok(
      "build",
      "--platform",
      "linux/amd64,linux/arm64",
      "-t",
      ref,
      "--push",
      "--provenance=false",
      "--metadata-file",
      "meta.json",
      dir,
    );
    await using client = new RegistryClient();
    const { bytes, descriptor } = await client.manifest(parseReference(ref));
    const { manifests } = parseIndex(bytes);
    assert.deepEqual(manifests.map(({ platform }) => platform?.architecture).toSorted(), ["amd64", "arm64"]);
    const metadata = JSON.parse(readFileSync(join(project.dir, "meta.json"), "utf8")) as Record<string, string>;
    assert.equal(metadata["containerimage.digest"], descriptor.digest);
    const records = (await ok("history", "ls", "--format", "json")).trim().split("\n");
    assert.equal(records.length, 2);
    for (const daemon of [first, second]) {
      const { output } = await daemon.buildx(["history", "ls", "--format", "{{.Ref}}"]);
      assert.equal(output.trim().split("\n").length, 1, output);
    }
  });
  await t.test("a folder for each", async () => {
    await ok("build", "--platform", "linux/amd64,linux/arm64", "-o", "out", dir);
    for (const name of ["linux_amd64", "linux_arm64"]) {
      assert.deepEqual(readFileSync(join(project.dir, "out", name, "busybox")), readFileSync("/bin/busybox"));
    }
  });
  await t.test("one platform is one node's", async () => {
    assert.match(await ok("build", "--platform", "linux/arm64", "-o", "type=oci,dest=arm.tar", dir), /arm\.tar/);
  });
  await t.test("what can't be joined says so", async () => {
    const { code, output } = await slipway(
      "build",
      "--platform",
      "linux/amd64,linux/arm64",
      "-o",
      "type=oci,dest=x.tar",
      dir,
    );
    assert.equal(code, 1);
    assert.match(output, /output type=oci can't be joined from several nodes\nhint: push it/);
  });
  await t.test("a node leaves", async () => {
    await ok("create", "--name", "fleet", "--leave", "--node", "arm");
    assert.doesNotMatch(await ok("inspect"), /arm/);
  });
});
