// A frontend of our own, built as an image: our daemon runs it for `# syntax=`, and so does a stock BuildKit.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { DockerPeer, withoutBuildx, withoutDocker } from "../integration/peers.ts";
import { DaemonPeer, RegistryPeer } from "./daemon-peer.ts";
import { Project, program } from "./project.ts";

const skip =
  withoutBuildx() ||
  (process.getuid?.() === 0 ? false : "steps need root here") ||
  (program.endsWith(".js") ? false : "the frontend is the bundle, which is not built");

await suite("a frontend image", { skip }, () => {
  const project = new Project();
  let daemon: DaemonPeer;
  let registry: RegistryPeer;
  const image = () => `${registry.host}/frontend:1`;

  before(async () => {
    daemon = await DaemonPeer.start(project);
    registry = await RegistryPeer.start(join(project.dir, "registry"), (file, text) => writeFileSync(file, text));
    const dir = project.context(
      [
        "FROM scratch",
        "COPY root /",
        'LABEL moby.buildkit.frontend.network.none="true"',
        'LABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts"',
        'ENTRYPOINT ["/node", "/slipway/slipway.js", "frontend"]',
      ].join("\n"),
    );
    const root = join(dir, "root");
    mkdirSync(root);
    copyFileSync(process.execPath, join(root, "node"));
    for (const [library] of execFileSync("ldd", [process.execPath]).toString().matchAll(/\/\S+/g)) {
      mkdirSync(join(root, dirname(library)), { recursive: true });
      copyFileSync(library, join(root, library));
    }
    cpSync(dirname(program), join(root, "slipway"), {
      recursive: true,
      filter: (path) => !basename(path).startsWith("compile-cache"),
    });
    const { code, output } = await daemon.buildx(["build", "-t", image(), "--push", dir]);
    assert.equal(code, 0, output);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
    project[Symbol.dispose]();
  });

  const dockerfile = (text: string) =>
    project.context(`# syntax=${image()}\nFROM scratch\nCOPY busybox /bin/sh\n${text}`, { note: "noted\n" });

  test("serves a build through # syntax=, warnings included", async () => {
    const dir = dockerfile("");
    writeFileSync(
      join(dir, "Dockerfile"),
      `# syntax=${image()}\nFROM scratch\nCOPY busybox /bin/busybox\ncopy note /\nRUN ["/bin/busybox", "sh", "-c", "echo by the frontend; /bin/busybox cat /note"]\n`,
    );
    const { code, output } = await daemon.buildx(["build", "--no-cache", "-o", join(project.dir, "out"), dir]);
    assert.equal(code, 0, output);
    assert.match(output, /\[frontend\] [\w.:]+\/frontend:1/);
    assert.match(output, /by the frontend\n#\d+ [\d.]+ noted/);
    assert.match(output, /ConsistentInstructionCasing/);
    assert.ok(existsSync(join(project.dir, "out/note")));
  });

  test("its errors keep their lines", async () => {
    const { code, output } = await daemon.buildx(["build", dockerfile("NOSUCH thing\n")]);
    assert.equal(code, 1);
    assert.match(output, /4 \| >>> NOSUCH thing\n[^]*unknown instruction: NOSUCH/);
  });

  test("as BUILDKIT_SYNTAX, and asked a question", async () => {
    const dir = project.context("FROM scratch AS named\nCOPY busybox /\n");
    const built = await daemon.buildx(["build", "--build-arg", `BUILDKIT_SYNTAX=${image()}`, dir]);
    assert.equal(built.code, 0, built.output);
    assert.match(built.output, /\[frontend\]/);
    const asked = await daemon.buildx(["build", "--call=targets", dockerfile("FROM scratch AS second\n")]);
    assert.equal(asked.code, 0, asked.output);
    assert.match(asked.output, /second \(default\)/);
  });

  test("an image that is no frontend: what it did is told", async () => {
    const plain = project.context(
      'FROM scratch\nCOPY busybox /bin/busybox\nENTRYPOINT ["/bin/busybox", "sh", "-c", "echo not me >&2; exit 3"]\n',
    );
    assert.equal((await daemon.buildx(["build", "-t", `${registry.host}/plain:1`, "--push", plain])).code, 0);
    const dir = project.context(`# syntax=${registry.host}/plain:1\nFROM scratch\n`);
    const { code, output } = await daemon.buildx(["build", dir]);
    assert.equal(code, 1);
    assert.match(output, />>> # syntax=[^]*it ended with exit code 3 and no result: not me/);
  });

  test("a stock BuildKit runs it too", { skip: withoutDocker() }, async () => {
    await using engine = await DockerPeer.start(registry.host);
    const dir = project.context(
      `# syntax=${image()}\nFROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "echo", "in the engine"]\n`,
    );
    const { stderr } = await engine.buildx(["build", "--progress", "plain", "--no-cache", dir]);
    assert.match(stderr, /in the engine/);
  });
});
