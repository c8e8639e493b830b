// What a project counts on of `Containers`, as a suite for each that there is: the real ones, and those in memory that the tests of this
// room run on.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerConfig, Containers } from "../containers/index.ts";
import { eachLine } from "./follow.ts";

export interface Subject {
  readonly name: string;
  readonly open: () => Promise<Containers>;
  readonly image: string;
  /** Prints a line with `hello` in it, then ends with a code. */
  readonly ends: (code: number, afterMs: number) => readonly string[];
  /** Prints a line with `hello` in it, then runs until it is stopped. */
  readonly runs: readonly string[];
  /** Can't be started. */
  readonly fails: readonly string[];
  /** Of a health check that passes. */
  readonly well: readonly string[];
}

let count = 0;

/** Defines the tests. */
export function containersConformance(subject: Subject): void {
  const config = (command: readonly string[], more: Partial<ContainerConfig> = {}): ContainerConfig => ({
    name: `conformance-${process.pid}-${++count}`,
    image: subject.image,
    command,
    env: [],
    labels: { suite: "projects" },
    tty: false,
    openStdin: false,
    autoRemove: false,
    network: {
      mode: { kind: "none" },
      ports: [],
      publishAll: false,
      exposed: [],
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
      extraHosts: [],
    },
    mounts: [],
    ...more,
  });
  const check = (what: string, body: (containers: Containers) => Promise<void>): void =>
    void test(`${subject.name}: ${what}`, async () => {
      await using containers = await subject.open();
      try {
        await body(containers);
      } finally {
        for (const { id } of await containers.list({ all: true, labels: ["suite=projects"] })) {
          await containers.remove(id, { force: true, volumes: true });
        }
      }
    });

  check("created, running, exited with its code", async (containers) => {
    const { id, state } = await containers.create(config(subject.ends(7, 50)));
    assert.equal(state.status, "created");
    await containers.start(id);
    assert.equal(await containers.wait(id), 7);
    const after = await containers.inspect(id);
    assert.deepEqual([after.state.status, after.state.exitCode], ["exited", 7]);
  });

  check("stopped; stopping what has stopped, and starting what runs, is fine", async (containers) => {
    const { id } = await containers.create(config(subject.runs));
    await containers.start(id);
    await containers.start(id);
    assert.equal((await containers.inspect(id)).state.status, "running");
    await containers.stop(id, { timeoutSec: 1 });
    assert.equal((await containers.inspect(id)).state.status, "exited");
    await containers.stop(id);
    await containers.start(id);
    assert.equal((await containers.inspect(id)).state.status, "running");
  });

  check("found by all labels, those that run unless all are asked for", async (containers) => {
    const made = await containers.create(config(subject.runs, { labels: { suite: "projects", a: "1", b: "2" } }));
    const ids = async (filter: Parameters<Containers["list"]>[0]) =>
      (await containers.list(filter)).map(({ id }) => id);
    assert.deepEqual(await ids({ labels: ["a=1"] }), []);
    assert.deepEqual(await ids({ all: true, labels: ["a=1", "b"] }), [made.id]);
    assert.deepEqual(await ids({ all: true, labels: ["a=2"] }), []);
    await containers.start(made.id);
    assert.deepEqual(await ids({ labels: ["a=1", "b=2"] }), [made.id]);
  });

  check("names are taken once, and changed", async (containers) => {
    const first = await containers.create(config(subject.runs));
    await assert.rejects(containers.create(config(subject.runs, { name: first.name })), {
      code: "CONTAINER_NAME_TAKEN",
    });
    await containers.rename(first.id, `${first.name}-renamed`);
    assert.equal((await containers.inspect(first.id)).name, `${first.name}-renamed`);
    await containers.create(config(subject.runs, { name: first.name }));
  });

  check("what is gone is unknown", async (containers) => {
    const { id } = await containers.create(config(subject.runs));
    await containers.start(id);
    await containers.remove(id, { force: true });
    await assert.rejects(containers.inspect(id), { code: "CONTAINER_UNKNOWN" });
  });

  check("a start that fails says so, with docker's code", async (containers) => {
    const { id } = await containers.create(config(subject.fails));
    await assert.rejects(containers.start(id), { code: "CONTAINER_START", exitCode: 127 });
    assert.notEqual((await containers.inspect(id)).state.status, "running");
  });

  check("its output is followed from its beginning to its end", async (containers) => {
    const { id } = await containers.create(config(subject.ends(0, 100)));
    await containers.start(id);
    const lines: string[] = [];
    await eachLine(containers, { id, source: "x" }, { follow: true }, ({ text }) => lines.push(text));
    assert.equal(lines.filter((each) => each.includes("hello")).length, 1);
  });

  check("health goes from starting to healthy", async (containers) => {
    const healthcheck = { test: subject.well, intervalNs: 100e6, retries: 5 };
    const { id } = await containers.create(config(subject.runs, { healthcheck }));
    await containers.start(id);
    for (let tries = 0; (await containers.inspect(id)).state.health?.status !== "healthy"; tries++) {
      assert.ok(tries < 200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  check("waiting ends with its signal", async (containers) => {
    const { id } = await containers.create(config(subject.runs));
    await containers.start(id);
    const aborter = new AbortController();
    setTimeout(() => aborter.abort(), 50);
    await assert.rejects(containers.wait(id, { signal: aborter.signal }), { name: "AbortError" });
  });
}
