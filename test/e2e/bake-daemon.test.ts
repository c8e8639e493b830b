// One compose file, baked twice: by `slipway bake` here, and by the real `docker-buildx bake` against our daemon. Under SOURCE_DATE_EPOCH
// the images are the same, digest for digest.

import assert from "node:assert/strict";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withoutBuildx } from "../integration/peers.ts";
import { DaemonPeer } from "./daemon-peer.ts";
import { Project } from "./project.ts";

const shop = join(import.meta.dirname, "../../examples/shop");
const EPOCH = { SOURCE_DATE_EPOCH: "1700000000" };
const SAME = ["--set", "*.output=type=image,rewrite-timestamp=true", "--set", "*.attest=type=provenance,disabled=true"];

test("bake: ours and buildx's through our daemon make the same images", { skip: withoutBuildx() }, async () => {
  using project = new Project();
  using other = new Project();
  // buildx takes the folders of a compose file to be below the current one.
  for (const { dir } of [project, other]) cpSync(shop, dir, { recursive: true, preserveTimestamps: true });
  await using daemon = await DaemonPeer.start(project, { args: ["--stand-in-bases"] });
  const theirs = await daemon.buildx(
    ["bake", "-f", "compose.yaml", "--allow=fs=*", ...SAME, "--metadata-file", join(project.dir, "theirs.json")],
    EPOCH,
  );
  assert.equal(theirs.code, 0, theirs.output);
  const ours = other.slipway(
    [
      "bake",
      "-f",
      "compose.yaml",
      "--allow=fs=*",
      "--stand-in-bases",
      ...SAME,
      "--metadata-file",
      join(project.dir, "ours.json"),
    ],
    EPOCH,
  );
  assert.equal(ours.code, 0, ours.output);
  const digests = (name: string) => {
    const metadata = JSON.parse(readFileSync(join(project.dir, name), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    return Object.entries(metadata)
      .filter(([target]) => target !== "buildx.build.warnings")
      .map(([target, each]) => `${target} ${each["containerimage.digest"]}`)
      .toSorted();
  };
  assert.equal(digests("ours.json").length, 6);
  assert.deepEqual(digests("theirs.json"), digests("ours.json"));
});

test("bake --call prints what buildx prints", { skip: withoutBuildx() }, async (t) => {
  using project = new Project();
  await using daemon = await DaemonPeer.start(project);
  writeFileSync(join(project.dir, "Dockerfile"), "FROM scratch as one\nCOPY x /\n");
  writeFileSync(join(project.dir, "x"), "x");
  writeFileSync(
    join(project.dir, "docker-bake.json"),
    JSON.stringify({
      group: { default: { targets: ["a", "b"] } },
      target: {
        a: { description: "the first" },
        b: { "dockerfile-inline": "FROM scratch\nCOPY x /\n" },
        c: { contexts: { base: "target:b" }, "dockerfile-inline": "FROM base\n" },
      },
    }),
  );
  for (const question of ["--check", "--call=targets", "--call=outline"]) {
    await t.test(question, async () => {
      const theirs = await daemon.buildx(["bake", question], { BUILDKIT_PROGRESS: "quiet" });
      const ours = project.slipway(["bake", question], {
        BUILDKIT_PROGRESS: "quiet",
        SLIPWAY_ROOT: `${project.dir}/own`,
      });
      assert.equal(ours.output.replace(/^hint: .*\n/m, ""), theirs.output.replace(/^#0 building with .*\n\n?/, ""));
      assert.equal(ours.code, theirs.code);
    });
  }
  await t.test("as JSON", () => {
    const { output, code } = project.slipway(["bake", "--call=check,format=json"], { BUILDKIT_PROGRESS: "quiet" });
    const { target } = JSON.parse(output) as {
      target: Record<string, { build: object; check: { warnings?: unknown[] } }>;
    };
    assert.equal(target["a"]?.check.warnings?.length, 1);
    assert.equal(target["b"]?.check.warnings ?? undefined, undefined);
    assert.equal(code, 1);
  });
  await t.test("a target that others start from is built for them", () => {
    const { output, code } = project.slipway(["bake", "--check", "c"], { BUILDKIT_PROGRESS: "quiet" });
    assert.equal(output, "c\n\nCheck complete, no warnings found.\n");
    assert.equal(code, 0);
  });
});
