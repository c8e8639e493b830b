// `slipway run` of an image that is in a registry: pulled once, kept, run again without it; what was run is what is there.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RegistryPeer, withoutRegistry } from "../integration/registry-peer.ts";
import { ContainerShell, needsRoot } from "./container-shell.ts";

const skip = needsRoot !== false ? needsRoot : withoutRegistry();

let shell: ContainerShell;
let registry: RegistryPeer;

before(async () => {
  if (skip !== false) return;
  shell = new ContainerShell();
  registry = await RegistryPeer.start(join(shell.project.dir, "registry"));
});

after(async () => {
  if (skip !== false) return;
  await registry[Symbol.asyncDispose]();
  shell[Symbol.dispose]();
});

test("pulled when missing, run by digest, held against removal", { skip }, () => {
  const name = `${registry.host}/app:1`;
  const context = shell.project.context('FROM box\nRUN echo content > /file\nCMD ["cat", "/file"]\n');
  const build = shell.run(["build", "-q", "-t", name, "--push", context]);
  assert.equal(build.code, 0, build.stderr);
  shell.run(["rmi", name]);
  shell.good("prune", "--all", "--force");

  const first = shell.run(["run", "--name", "app", "--network", "none", name]);
  assert.deepEqual([first.code, first.stdout], [0, "content\n"], first.stderr);
  assert.match(first.stderr, new RegExp(`^Unable to find image '${name}' locally\n`));
  assert.match(first.stderr, new RegExp(`Status: Downloaded newer image for ${name}\n$`));
  const digest = shell.good("inspect", "-f", "{{.ImageDigest}}", "app").trim();
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  // Kept from now on.
  const again = shell.box(name);
  assert.deepEqual(again, { code: 0, stdout: "content\n", stderr: "" });
  assert.equal(shell.box("--pull", "never", name).stdout, "content\n");
  assert.equal(shell.box("--pull", "always", "-q", `${registry.host}/app@${digest}`).stdout, "content\n");

  // A container holds what it runs, whatever becomes of the name and the cache.
  shell.good("rmi", name);
  shell.good("prune", "--all", "--force");
  assert.equal(shell.good("start", "-a", "app"), "content\n");
  shell.good("rm", "app");
  const absent = shell.box(`${registry.host}/absent:1`);
  assert.equal(absent.code, 125);
  assert.match(absent.stderr, /absent:1.*not found/);
});
