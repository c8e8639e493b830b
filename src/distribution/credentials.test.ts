// Docker's config file and credential helpers, with helpers made of shell scripts.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { isBuildError } from "../base/index.ts";
import { DockerCredentials } from "./credentials.ts";

function folderWith(t: TestContext, config: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-credentials-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  return folder;
}

/** Installs `docker-credential-NAME` for the test. */
function helper(t: TestContext, folder: string, name: string, script: string): void {
  writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { PATH } = process.env;
  process.env["PATH"] = `${folder}:${PATH}`;
  t.after(() => {
    process.env["PATH"] = PATH;
  });
}

const encode = (text: string) => Buffer.from(text).toString("base64");

test("entries of the file: user and password, tokens, old spellings of hosts, Docker Hub's names", async (t) => {
  const folder = folderWith(t, {
    auths: {
      "https://index.docker.io/v1/": { auth: encode("ann:pa:ss") },
      "registry.example": { username: "bob", password: "pw" },
      "https://old.example/v2/": { auth: encode("old:pw") },
      "identity.example": { auth: encode("ann:"), identitytoken: "refresh" },
      "token.example:5000": { registrytoken: "access" },
      "empty.example": {},
    },
  });
  const credentials = new DockerCredentials({ folder });
  const hub = { kind: "basic", username: "ann", password: "pa:ss" };
  assert.deepEqual(await credentials.lookup("docker.io"), hub);
  assert.deepEqual(await credentials.lookup("registry-1.docker.io"), hub);
  assert.deepEqual(await credentials.lookup("registry.example"), { kind: "basic", username: "bob", password: "pw" });
  assert.deepEqual(await credentials.lookup("old.example"), { kind: "basic", username: "old", password: "pw" });
  assert.deepEqual(await credentials.lookup("identity.example"), { kind: "identity", token: "refresh" });
  assert.deepEqual(await credentials.lookup("token.example:5000"), { kind: "bearer", token: "access" });
  for (const host of ["token.example", "empty.example", "other.example", "__proto__"]) {
    assert.equal(await credentials.lookup(host), undefined, host);
  }
});

test("no file, no credentials; a damaged one is an error that shows nothing of it", async (t) => {
  assert.equal(await new DockerCredentials({ folder: "/nowhere/at/all" }).lookup("docker.io"), undefined);
  for (const text of ['{"auths": {"x": {"auth": "c2VjcmV0"', "[]", "null"]) {
    const folder = folderWith(t, text);
    await assert.rejects(new DockerCredentials({ folder }).lookup("x"), (error: unknown) => {
      assert.ok(isBuildError(error) && error.code === "CREDENTIALS_FAILED");
      assert.doesNotMatch(`${error.message}${error.hint}${String(error.cause)}`, /c2VjcmV0/);
      return true;
    });
  }
});

test("a credential store is asked first, entries of the file after it", async (t) => {
  const folder = folderWith(t, {
    credsStore: "teststore",
    auths: { "filed.example": { auth: encode("filed:pw") } },
  });
  helper(
    t,
    folder,
    "teststore",
    `server=$(cat); echo "$1 $server" >>${folder}/asked
case $server in
  https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"hub","Secret":"pw"}';;
  token.example) echo '{"Username":"<token>","Secret":"refresh"}';;
  *) echo 'credentials not found in native keychain'; exit 1;;
esac`,
  );
  const credentials = new DockerCredentials({ folder });
  assert.deepEqual(await credentials.lookup("docker.io"), { kind: "basic", username: "hub", password: "pw" });
  assert.deepEqual(await credentials.lookup("token.example"), { kind: "identity", token: "refresh" });
  assert.deepEqual(await credentials.lookup("filed.example"), { kind: "basic", username: "filed", password: "pw" });
  assert.equal(await credentials.lookup("other.example"), undefined);
  assert.equal(
    readFileSync(join(folder, "asked"), "utf8"),
    "get https://index.docker.io/v1/\nget token.example\nget filed.example\nget other.example\n",
  );
});

test("a host's own helper goes before the store", async (t) => {
  const folder = folderWith(t, { credsStore: "missing", credHelpers: { "cloud.example": "cloud" } });
  helper(t, folder, "cloud", `cat >/dev/null; echo '{"Username":"cloud","Secret":"pw"}'`);
  const credentials = new DockerCredentials({ folder });
  assert.deepEqual(await credentials.lookup("cloud.example"), { kind: "basic", username: "cloud", password: "pw" });
  await assert.rejects(credentials.lookup("other.example"), {
    code: "CREDENTIALS_FAILED",
    message: "docker-credential-missing is not installed",
  });
});

test("what a helper prints never enters an error", async (t) => {
  for (const script of ["cat >/dev/null; echo hunter22; exit 3", "cat >/dev/null; echo 'not JSON: hunter22'"]) {
    const folder = folderWith(t, { credsStore: "broken" });
    helper(t, folder, "broken", script);
    await assert.rejects(new DockerCredentials({ folder }).lookup("x.example"), (error: unknown) => {
      assert.ok(isBuildError(error) && error.code === "CREDENTIALS_FAILED");
      assert.doesNotMatch(`${error.message}${error.hint}${String(error.cause)}`, /hunter22/);
      return true;
    });
  }
});

test("a helper's name is no path", async (t) => {
  const folder = folderWith(t, { credsStore: "../../bin/sh" });
  await assert.rejects(new DockerCredentials({ folder }).lookup("x.example"), /invalid credential helper name/);
});
