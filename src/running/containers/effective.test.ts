import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveOf } from "./effective.ts";
import type { ContainerConfig } from "./types.ts";

const plain: ContainerConfig = {
  image: "box",
  env: [],
  labels: {},
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
};
const id = "0123456789abcdef".repeat(4);

test("entrypoint and command: an entrypoint of one's own drops the image's command", () => {
  const image = { Entrypoint: ["/entry", "-x"], Cmd: ["usual"] };
  const line = (config: Partial<ContainerConfig>) => {
    const { path, args } = effectiveOf(id, { ...plain, ...config }, image);
    return [path, ...args].join(" ");
  };
  assert.equal(line({}), "/entry -x usual");
  assert.equal(line({ command: ["other", "word"] }), "/entry -x other word");
  assert.equal(line({ entrypoint: ["sh"] }), "sh");
  assert.equal(line({ entrypoint: ["sh"], command: ["-c", "x"] }), "sh -c x");
  assert.equal(line({ entrypoint: [""], command: ["ls"] }), "ls");
  assert.throws(() => effectiveOf(id, { ...plain, entrypoint: [""] }, image), { message: "No command specified" });
});

test("environment: the last of a name counts, in the place of the first", () => {
  const { effective } = effectiveOf(
    id,
    { ...plain, tty: true, env: ["A=2", "B=", "C"] },
    { Env: ["PATH=/x", "A=1", "C=3"], Cmd: ["x"] },
  );
  assert.deepEqual(effective.env, ["PATH=/x", "HOSTNAME=0123456789ab", "TERM=xterm", "A=2", "B="]);
});

test("health checks merge field by field; NONE switches off", () => {
  const Healthcheck = { Test: ["CMD", "look"], Interval: 5, Retries: 2 };
  const of = (healthcheck: ContainerConfig["healthcheck"]) =>
    effectiveOf(id, { ...plain, healthcheck }, { Cmd: ["x"], Healthcheck }).effective.healthcheck;
  assert.deepEqual([of(undefined)?.test, of(undefined)?.intervalNs, of(undefined)?.retries], [["CMD", "look"], 5, 2]);
  assert.deepEqual([of({ retries: 7 })?.test, of({ retries: 7 })?.retries], [["CMD", "look"], 7]);
  assert.equal(of({ test: ["NONE"] }), undefined);
  assert.equal(effectiveOf(id, plain, { Cmd: ["x"] }).effective.healthcheck, undefined);
});

test("volumes of the image, where nothing else is mounted; targets are clean paths", () => {
  const asked = [{ kind: "tmpfs" as const, target: "/a/../data/", readOnly: false }];
  const { mounts } = effectiveOf(
    id,
    { ...plain, mounts: asked },
    { Cmd: ["x"], Volumes: { "/data": {}, "other/": {}, "/x/../../y": {} } },
  );
  assert.deepEqual(
    mounts.map(({ kind, target }) => `${kind} ${target}`),
    ["tmpfs /data", "volume /other", "volume /y"],
  );
  const twice = [asked[0]!, { ...asked[0]!, target: "/data" }];
  assert.throws(() => effectiveOf(id, { ...plain, mounts: twice }, { Cmd: ["x"] }), {
    message: "Duplicate mount point: /data",
  });
  assert.throws(
    () => effectiveOf(id, { ...plain, mounts: [{ ...asked[0]!, target: "/." }] }, { Cmd: ["x"] }),
    /destination can't be '\/'/,
  );
});
