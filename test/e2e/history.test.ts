// Records of the builds of the builder in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Project } from "./project.ts";

test("history of embedded builds", { skip: process.getuid?.() === 0 ? false : "needs root" }, async (t) => {
  using project = new Project();
  const dir = project.context('FROM scratch\nCOPY busybox /\nRUN ["/busybox","echo","said once"]\n');
  const build = project.slipway(["build", "-t", "recorded", dir]);
  assert.equal(build.code, 0, build.output);
  project.slipway(["build", project.context("FROM scratch\nCOPY --from=none / /\n")]);

  await t.test("ls, newest first", () => {
    const { output } = project.slipway(["history", "ls", "--format", "json"]);
    const statuses = output
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { status: string }).status);
    assert.deepEqual(statuses, ["Error", "Completed"]);
    assert.match(project.slipway(["history", "ls"]).output, /^BUILD ID +NAME +STATUS +CREATED AT +DURATION\n/);
  });
  await t.test("logs are whole", () => {
    assert.match(project.slipway(["history", "logs", "^1"]).output, /RUN .*\n.*said once\n/);
  });
  await t.test("inspect shows where it failed", () => {
    assert.match(project.slipway(["history", "inspect"]).output, /Status: +Error[^]*2 \| >>> COPY --from=none/);
    assert.match(project.slipway(["history", "inspect", "^1"]).output, /Name: +\S*recorded/);
  });
  await t.test("questions are no builds", () => {
    project.slipway(["build", "--check", dir]);
    assert.equal(project.slipway(["history", "ls", "--format", "{{.Ref}}"]).output.trim().split("\n").length, 2);
  });
  await t.test("wrong words", () => {
    assert.match(project.slipway(["history", "logs", "nobody"]).output, /no record found for ref "nobody"/);
    assert.match(project.slipway(["history", "rm"]).output, /rm requires at least one argument/);
    assert.match(project.slipway(["history", "ls", "--filter", "x=y"]).output, /unsupported filter "x=y"/);
    assert.equal(project.slipway(["history", "frob"]).code, 1);
  });
  await t.test("rm", () => {
    assert.equal(project.slipway(["history", "rm", "--all"]).code, 0);
    assert.equal(project.slipway(["history", "logs"]).output, "ERROR: no records found\n");
  });
});
