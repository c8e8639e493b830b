// One compose file, baked twice: by `slipway bake` here, and by the real `docker-buildx bake` against our daemon. Under SOURCE_DATE_EPOCH
// the images are the same, digest for digest.

import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
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
