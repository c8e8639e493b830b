// Builds that are the same whenever and wherever they run: rewrite-timestamp by BuildKit's rule, and the command that looks for
// what is not so.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Project } from "../e2e/project.ts";
import { LayoutReader } from "./layout-reader.ts";
import { DockerPeer, withoutDocker } from "./peers.ts";

const examples = join(import.meta.dirname, "../../examples");
const noRuntime =
  process.getuid?.() !== 0
    ? "needs root"
    : ["runc", "crun"].some((name) => spawnSync(name, ["--version"]).status === 0)
      ? false
      : "no runc or crun";
const noDiffoscope = spawnSync("diffoscope", ["--version"]).status === 0 ? false : "no diffoscope";
const EPOCH = 1_700_000_000;

suite("verify-repro", { skip: noRuntime }, () => {
  for (const example of ["hello", "shop/web", "shop/reports"]) {
    test(`the example ${example} is reproducible`, (t) => {
      using project = new Project();
      const keep = join(project.dir, "pair");
      const folder = join(examples, example);
      const { code, output } = project.slipway(
        ["verify-repro", "--stand-in-bases", "--progress=quiet", "--keep", keep, folder],
        { SLIPWAY_NAMESPACE: "private" },
      );
      assert.equal(code, 0, output);
      assert.match(output, /^reproducible: sha256:[0-9a-f]{64}$/m);
      if (noDiffoscope !== false) return t.diagnostic(`not looked at by diffoscope: ${noDiffoscope}`);
      execFileSync("diffoscope", ["--exclude-directory-metadata=yes", join(keep, "a"), join(keep, "b")]);
      return undefined;
    });
  }

  test("what differs is told by step, path and field, with both values", () => {
    using project = new Project();
    const dockerfile = `FROM scratch
COPY busybox /bin/
RUN ["/bin/busybox", "sh", "-c", "busybox date +%s > /when; echo same > /same; busybox chmod 0$((\${RANDOM} % 2 * 0 + 644)) /same"]
RUN ["/bin/busybox", "sh", "-c", "busybox mkdir /d; for i in 1 2 3 4 5 6 7 8 9; do echo > /d/$i; done; busybox find /d > /list"]
RUN ["/bin/busybox", "sh", "-c", "busybox head -c 9 /dev/urandom > /rnd; if [ $(($(busybox date +%s) / 2 % 2)) = 0 ]; then busybox ln -s a /l; else busybox ln -s b /l; fi"]
`;
    const { code, output } = project.slipway(["verify-repro", "--progress=quiet", project.context(dockerfile)], {
      SLIPWAY_NAMESPACE: "private",
    });
    assert.equal(code, 1, output);
    assert.match(output, /^not reproducible:\n {2}a sha256:[0-9a-f]{64}\n {2}b sha256:[0-9a-f]{64}\n/m);
    assert.match(output, /^layer 2 \(RUN .*\): \/when: content, line 1\n {2}a "\d+"\n {2}b "\d+"$/m);
    assert.match(output, /^layer 4 \(RUN .*\): \/rnd: content, (?:byte \d+|line \d+)\n {2}a .*\n {2}b .*$/m);
    assert.doesNotMatch(output, /\/same/);
    if (!/order of files is not varied/.test(output)) assert.match(output, /\/list: content, line \d/);
    const steady = project.slipway(
      [
        "verify-repro",
        "--progress=quiet",
        "--vary=umask,timezone",
        project.context("FROM scratch\nCOPY busybox a/b/\n"),
      ],
      { SLIPWAY_NAMESPACE: "private", SOURCE_DATE_EPOCH: "5" },
    );
    assert.equal(steady.code, 0, steady.output);
    assert.doesNotMatch(steady.output, /SOURCE_DATE_EPOCH is not set/);
    assert.match(project.slipway(["verify-repro", "--vary=moon", "."]).output, /can't vary "moon", only order, time/);
  });
});

suite("rewrite-timestamp", { skip: noRuntime }, () => {
  const dockerfile = `FROM base AS made
RUN ["/bin/busybox", "sh", "-c", "busybox mkdir /made && busybox touch -d @1600000000 /made/old && echo x > /made/new && busybox rm /gone"]
FROM base
LABEL a=b
COPY old new /files/
COPY --from=made /made /made
RUN ["/bin/busybox", "sh", "-c", "echo y > /made/new"]
`;

  /** A base with times after the epoch, as a layout, and the context of an image on it. */
  function prepare(project: Project): { context: string; args: string[] } {
    const base = join(project.dir, "base");
    const made = project.slipway([
      "build",
      "-o",
      `type=oci,dest=${base},tar=false`,
      project.context("FROM scratch\nCOPY busybox /bin/busybox\nCOPY gone /gone\n", { gone: "" }),
    ]);
    assert.equal(made.code, 0, made.output);
    const context = project.context(dockerfile, { old: "old\n", new: "new\n" });
    utimesSync(join(context, "old"), 1_500_000_000, 1_500_000_000);
    const args = ["--build-context", `base=oci-layout://${base}:latest`, "--build-arg", `SOURCE_DATE_EPOCH=${EPOCH}`];
    return { context, args };
  }

  const timesOf = (entries: readonly string[]) => entries.map((entry) => Number(entry.split(" ")[4]));

  test("new layers hold nothing later, older times and the base's layers stay", async () => {
    using project = new Project();
    const { context, args } = prepare(project);
    const out = join(project.dir, "out");
    const made = project.slipway([
      "build",
      ...args,
      "-t",
      "kept",
      "-o",
      `type=oci,dest=${out},tar=false,rewrite-timestamp=true`,
      "-o",
      "type=image,name=kept,rewrite-timestamp=true",
      context,
    ]);
    assert.equal(made.code, 0, made.output);
    const layout = new LayoutReader(out);
    const { layers, config } = layout.manifest();
    const base = new LayoutReader(join(project.dir, "base")).manifest();
    assert.deepEqual(layers.slice(0, 2), base.layers);
    for (const layer of layers.slice(2)) {
      assert.equal(layer.annotations?.["buildkit/rewritten-timestamp"], String(EPOCH));
      assert.ok(timesOf(await layout.entries(layer)).every((time) => time <= EPOCH));
    }
    const copied = await layout.entries(layers[2]!);
    assert.ok(copied.includes("files/old file 644 0:0 1500000000 4"), copied.join("\n"));
    assert.ok(copied.includes(`files/new file 644 0:0 ${EPOCH} 4`), copied.join("\n"));
    assert.ok((await layout.entries(layers[3]!)).includes("made/old file 644 0:0 1600000000 0"));
    assert.ok(timesOf(await layout.entries(layers[0]!)).some((time) => time > EPOCH));
    const { created, history } = layout.json<{ created: string; history: { created: string }[] }>(config.digest);
    assert.equal(created, "2023-11-14T22:13:20Z");
    assert.deepEqual(
      history.slice(2).map((entry) => entry.created),
      history.slice(2).map(() => "2023-11-14T22:13:20Z"),
    );
    assert.ok(history.slice(0, 2).every((entry) => Date.parse(entry.created) > EPOCH * 1000));

    // What is kept is the very image: one built on it has its layers, and they unpack.
    const child = project.context('FROM kept\nRUN ["/bin/busybox", "cat", "/files/old"]\n');
    const childOut = join(project.dir, "child");
    const grown = project.slipway(["build", "-o", `type=oci,dest=${childOut},tar=false`, child]);
    assert.equal(grown.code, 0, grown.output);
    const diffIds = (at: LayoutReader) =>
      at.json<{ rootfs: { diff_ids: string[] } }>(at.manifest().config.digest).rootfs.diff_ids;
    assert.deepEqual(diffIds(new LayoutReader(childOut)).slice(0, 5), diffIds(layout));

    // Without SOURCE_DATE_EPOCH there is nothing to rewrite to.
    const bare = project.slipway([
      "build",
      ...args.slice(0, 2),
      "-o",
      `type=oci,dest=${join(project.dir, "bare")},tar=false,rewrite-timestamp=true`,
      context,
    ]);
    assert.equal(bare.code, 0, bare.output);
    assert.match(bare.output, /rewrite-timestamp is specified, but no source-date-epoch was found/);
  });

  test("a second store, a cold one, gives the same digest; so does one filled from a cache", () => {
    using project = new Project();
    const { context, args } = prepare(project);
    const digestOf = (name: string, more: readonly string[]): string => {
      const out = join(project.dir, name);
      const output = `type=oci,dest=${out},tar=false,rewrite-timestamp=true`;
      const made = project.slipway([
        "--root",
        join(project.dir, `${name}-store`),
        "build",
        ...args,
        ...more,
        "-o",
        output,
        context,
      ]);
      assert.equal(made.code, 0, made.output);
      return new LayoutReader(out).root.digest;
    };
    const cache = join(project.dir, "cache");
    const first = digestOf("one", ["--cache-to", `type=local,dest=${cache},mode=max`]);
    assert.equal(digestOf("two", []), first);
    assert.equal(digestOf("three", ["--cache-from", `type=local,src=${cache}`]), first);
  });

  test("entries and times are those of BuildKit", { skip: withoutDocker() }, async () => {
    using project = new Project();
    const { context, args } = prepare(project);
    const ours = join(project.dir, "ours");
    const made = project.slipway([
      "build",
      ...args,
      "-o",
      `type=oci,dest=${ours},tar=false,rewrite-timestamp=true`,
      context,
    ]);
    assert.equal(made.code, 0, made.output);
    const tar = join(project.dir, "theirs.tar");
    await using docker = await DockerPeer.start("127.0.0.1:1");
    await docker.build([...args, "-o", `type=oci,dest=${tar},rewrite-timestamp=true`, context]);
    const theirs = join(project.dir, "theirs");
    mkdirSync(theirs);
    execFileSync("tar", ["-xf", tar, "-C", theirs]);
    const [a, b] = [new LayoutReader(ours), new LayoutReader(theirs)];
    const [left, right] = [a.manifest(), b.manifest()];
    assert.equal(left.layers.length, right.layers.length);
    assert.deepEqual(
      left.layers.map(({ annotations, mediaType }) => ({ annotations, mediaType })),
      right.layers.map(({ annotations, mediaType }) => ({ annotations, mediaType })),
    );
    assert.deepEqual(left.layers.slice(0, 2), right.layers.slice(0, 2));
    for (let at = 2; at < left.layers.length; at++)
      assert.deepEqual(await a.entries(left.layers[at]!), await b.entries(right.layers[at]!), `layer ${at}`);
    const config = (at: LayoutReader) => {
      const { rootfs: _, ...rest } = at.json<Record<string, unknown>>(at.manifest().config.digest);
      return rest;
    };
    assert.deepEqual(config(a), config(b));
  });
});
