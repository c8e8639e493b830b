// The frontend against a small gateway of its own; what BuildKit answers is replayed in test/conformance.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildError, isBuildError } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { decodeDefinition } from "../../graph/llb/index.ts";
import type { GatewayClient, GatewayWarning } from "../gateway/index.ts";
import { dockerfileFrontend } from "./index.ts";

const DIGEST = `sha256:${"1".repeat(64)}` as Digest;
const CONFIG = new TextEncoder().encode(
  JSON.stringify({ os: "linux", architecture: "amd64", config: {}, rootfs: { type: "layers", diff_ids: [DIGEST] } }),
);

interface Fake extends GatewayClient {
  readonly warnings: GatewayWarning[];
  readonly lookUps: string[];
}

function gateway(dockerfile: string, overrides: Partial<GatewayClient> = {}): Fake {
  const warnings: GatewayWarning[] = [];
  const lookUps: string[] = [];
  return {
    options: {},
    sessionId: "s",
    workerPlatforms: [{ os: "linux", architecture: "amd64" }],
    inputs: {},
    supports: () => true,
    resolveImageConfig: async (ref) => {
      lookUps.push(ref);
      return { ref, digest: DIGEST, config: CONFIG };
    },
    resolveSourceMetadata: async () => ({}),
    solve: async () => ({
      readFile: async (path) => {
        if (path !== "Dockerfile") throw new Error("no such file");
        return new TextEncoder().encode(dockerfile);
      },
    }),
    warn: (_, warning) => void warnings.push(warning),
    warnings,
    lookUps,
    ...overrides,
  };
}

async function failure(client: GatewayClient, signal = new AbortController().signal): Promise<BuildError> {
  try {
    await dockerfileFrontend(client, signal);
  } catch (error) {
    assert.ok(isBuildError(error), String(error));
    return error;
  }
  throw new Error("the build did not fail");
}

void test("a Dockerfile becomes a definition and a config", async () => {
  const client = gateway("FROM alpine AS a\nRUN x\nFROM scratch\nCOPY --from=a /x /\n");
  const { builds, multiPlatform } = await dockerfileFrontend(client, new AbortController().signal);
  assert.equal(multiPlatform, false);
  assert.deepEqual(
    decodeDefinition(builds[0]!.definition).ops.map(({ metadata }) => metadata.description["llb.customname"]),
    [`[a 1/2] FROM docker.io/library/alpine:latest@${DIGEST}`, "[a 2/2] RUN x", "[stage-1 1/1] COPY --from=a /x /"],
  );
  assert.match(new TextDecoder().decode(builds[0]!.config), /^\{"architecture":"amd64","os":"linux"/);
});

void test("stages that the target does not need are not looked up", async () => {
  const client = gateway("FROM alpine AS a\nFROM debian AS b\n", { options: { target: "a" } });
  await dockerfileFrontend(client, new AbortController().signal);
  assert.deepEqual(client.lookUps, ["docker.io/library/alpine:latest"]);
});

void test("errors carry the file and the lines", async () => {
  const error = await failure(gateway("FROM alpine\nRUN a \\\n  b\nCOPPY a b\n"));
  assert.equal(error.message, "dockerfile parse error on line 4: unknown instruction: COPPY (did you mean COPY?)");
  assert.equal(error.code, "DOCKERFILE");
  assert.equal(error.status, "InvalidArgument");
  assert.deepEqual(
    error.sources.map(({ filename, ranges }) => [filename, ranges]),
    [["Dockerfile", [{ start: 4, end: 4 }]]],
  );
});

void test("what a look-up throws keeps its code, hint and retryability", async () => {
  const refused = new BuildError("connection refused", {
    code: "REGISTRY_UNREACHABLE",
    status: "Unavailable",
    hint: "Is the registry running?",
    retryable: true,
  });
  const error = await failure(gateway("FROM alpine\n", { resolveImageConfig: () => Promise.reject(refused) }));
  assert.equal(error.message, "alpine: connection refused");
  assert.equal(error.code, "REGISTRY_UNREACHABLE");
  assert.equal(error.status, "Unavailable");
  assert.equal(error.hint, "Is the registry running?");
  assert.equal(error.retryable, true);
  assert.deepEqual(error.sources[0]?.ranges, [{ start: 1, end: 1 }]);
});

void test("an unknown target suggests a near one", async () => {
  const error = await failure(gateway("FROM alpine AS build\n", { options: { target: "biuld" } }));
  assert.equal(error.message, 'target stage "biuld" could not be found (did you mean build?)');
});

void test("cancelling rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const client = gateway("FROM alpine\n", {
    resolveImageConfig: (_, __, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        controller.abort(new DOMException("stop", "AbortError"));
      }),
  });
  await assert.rejects(dockerfileFrontend(client, controller.signal), { name: "AbortError", message: "stop" });
});

void test("a syntax directive is followed only where frontend images are", async () => {
  const text = "# syntax=example.com/front:1 --x\nFROM alpine\n";
  const { builds } = await dockerfileFrontend(gateway(text), new AbortController().signal);
  assert.equal(builds.length, 1);
  const seen: Readonly<Record<string, string>>[] = [];
  const forward: GatewayClient["forward"] = async (options) => {
    seen.push(options);
    return { builds: [], multiPlatform: false, metadata: new Map() };
  };
  await dockerfileFrontend(gateway(text, { forward }), new AbortController().signal);
  assert.deepEqual(seen, [{ cmdline: "example.com/front:1 --x", source: "example.com/front:1" }]);
});

void test("several platforms are built side by side; warnings come once", async () => {
  const client = gateway("from alpine\nRUN x\nRUN y\n", { options: { platform: "linux/amd64,linux/arm64" } });
  const { builds, multiPlatform } = await dockerfileFrontend(client, new AbortController().signal);
  assert.deepEqual(
    builds.map(({ key }) => key),
    ["linux/amd64", "linux/arm64"],
  );
  assert.equal(multiPlatform, true);
  const casing = client.warnings.filter(({ short }) => short.startsWith("ConsistentInstructionCasing"));
  assert.equal(casing.length, 1);
});

void test("what would take all memory is refused", async () => {
  const bomb = `FROM scratch\nENV A=0123456789\n${"ENV A=$A$A$A$A$A$A$A$A\n".repeat(20)}`;
  assert.match((await failure(gateway(bomb))).message, /the expanded text is too long$/);
  const ports = `FROM scratch\nEXPOSE ${"0-65535 ".repeat(2000)}\n`;
  assert.equal((await failure(gateway(ports))).message, "EXPOSE lists more than 262144 ports");
  const nested = `FROM scratch\n${"ONBUILD ".repeat(8000)}RUN x\n`;
  assert.match((await failure(gateway(nested))).message, /Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed$/);
});
