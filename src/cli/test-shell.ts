// A shell and a builder for tests: streams in memory, recorded calls, signals at hand.

import { Readable } from "node:stream";
import type { Builder, ImageDetails, PruneOptions, UsageRecord } from "../service/builders/index.ts";
import { BuildError } from "../base/index.ts";
import type { control } from "../formats/proto/index.ts";
import type { SessionPort } from "../engine/index.ts";
import type { ProjectPorts } from "../running/projects/index.ts";
import type { BuilderOptions, Shell } from "./command.ts";
import { runCli } from "./run-cli.ts";

interface FakeBuilder extends Builder {
  readonly solved: { request: control.SolveRequest; session: SessionPort }[];
  readonly pruned: PruneOptions[];
  closed: boolean;
}

type Solve = Builder["solve"];

/** A builder with two records and one image; `solve` decides how builds end. */
function fakeBuilder(
  solve: Solve = () =>
    Promise.resolve({ "containerimage.digest": "sha256:d1", "containerimage.config.digest": "sha256:c1" }),
): FakeBuilder {
  const records: UsageRecord[] = [
    record({ id: "abc", sizeBytes: 1_500_000, type: "regular", description: "RUN make", parents: ["base"] }),
    record({ id: "def", sizeBytes: 500, type: "exec.cachemount", mutable: true, shared: true, inUse: true }),
  ];
  const image: ImageDetails = {
    name: "docker.io/library/hello:latest",
    digest: `sha256:${"ab".repeat(32)}`,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    sizeBytes: 4_320_000,
    createdAtMs: nowMs - 60_000,
    platforms: ["linux/amd64"],
    manifest: { schemaVersion: 2 },
    images: [
      {
        platform: "linux/amd64",
        digest: "sha256:m",
        manifest: { schemaVersion: 2 },
        config: {
          architecture: "amd64",
          os: "linux",
          created: "2026-01-01T00:00:00Z",
          config: { Env: ["PATH=/bin"] },
          rootfs: { type: "layers", diff_ids: ["sha256:l"] },
        },
      },
    ],
  };
  const notFound = (name: string) =>
    new BuildError(`image ${name} not found`, {
      code: "IMAGE_NOT_FOUND",
      status: "NotFound",
      hint: "slipway images lists them",
    });
  const known = (name: string) => ["hello", "hello:latest", image.digest].includes(name);
  const builder: FakeBuilder = {
    name: "embedded",
    driver: "embedded",
    location: "/state",
    solved: [],
    pruned: [],
    closed: false,
    solve(request, session, options) {
      builder.solved.push({ request, session });
      return solve(request, session, options);
    },
    history: {
      list: () => Promise.resolve([]),
      logs: () => Promise.resolve(),
      blob: () => Promise.resolve(new Uint8Array()),
      remove: () => Promise.resolve(),
    },
    convert: () => Promise.resolve({ multiPlatform: false, builds: [] }),
    diskUsage: () => Promise.resolve(records),
    prune(options, onRecord) {
      builder.pruned.push(options);
      for (const each of records) onRecord(each);
      return Promise.resolve();
    },
    cacheMounts: () =>
      Promise.resolve([
        { id: "npm", sizeBytes: 2_500_000, createdAtMs: nowMs - 60_000, usedAtMs: nowMs - 1000, uses: 3 },
      ]),
    removeCacheMounts: (ids) => Promise.resolve((ids ?? ["npm"]).filter((id) => id === "npm")),
    transferCacheMounts: (direction, place, { scopes }) =>
      Promise.resolve([`${direction} ${place.Type} ${JSON.stringify(place.Attrs)} ${scopes.join()}`]),
    images: () => Promise.resolve([image]),
    inspectImage: (name) => (known(name) ? Promise.resolve(image) : Promise.reject(notFound(name))),
    removeImage: (name) =>
      known(name)
        ? Promise.resolve({ untagged: "hello:latest", deleted: image.digest })
        : Promise.reject(notFound(name)),
    [Symbol.asyncDispose]() {
      builder.closed = true;
      return Promise.resolve();
    },
  };
  return builder;
}

const nowMs = Date.UTC(2026, 0, 2);

function record(fields: Partial<UsageRecord> & { id: string }): UsageRecord {
  return {
    parents: [],
    type: "regular",
    description: "",
    sizeBytes: 0,
    createdAtMs: nowMs - 7_200_000,
    lastUsedAtMs: nowMs - 3_600_000 * 3,
    usageCount: 1,
    inUse: false,
    mutable: false,
    shared: false,
    ...fields,
  };
}

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly builder: FakeBuilder;
  readonly opened: readonly BuilderOptions[];
  /** Codes that the process was told to end with at once. */
  readonly exits: readonly number[];
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string | Uint8Array;
  readonly solve?: Solve;
  readonly machine?: ProjectPorts;
  /** Receives what delivers signals to the verb. */
  readonly onReady?: (send: (signal: "SIGINT" | "SIGTERM") => void) => void;
}

/** Runs a command line against the fakes. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const builder = fakeBuilder(options.solve);
  const opened: BuilderOptions[] = [];
  const exits: number[] = [];
  const [stdout, stderr] = [sink(), sink()];
  const shell: Shell = {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin as string)]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: options.env ?? {},
    cwd: options.cwd ?? "/",
    now: () => nowMs,
    openBuilder(asked) {
      opened.push(asked);
      return Promise.resolve(builder);
    },
    openProjects: () =>
      options.machine === undefined
        ? Promise.reject(new Error("no containers in this test"))
        : Promise.resolve({ ...options.machine, [Symbol.asyncDispose]: () => Promise.resolve() }),
    openLoader: ({ context }) =>
      Promise.resolve({
        name: `docker ${context}`.trim(),
        survey: () => Promise.resolve({ complete: true, knownLayers: 0, form: "docker" }),
        load: () => Promise.resolve(),
        form: () => Promise.resolve("docker"),
        loadArchive: () => Promise.resolve(),
        exclusive: (_key, work) => work(),
      }),
    onSignals(onInterrupt) {
      options.onReady?.(onInterrupt);
      return { [Symbol.dispose]() {} };
    },
    exitNow: (code) => exits.push(code),
  };
  const code = await runCli(argv, shell);
  return { code, stdout: stdout.text(), stderr: stderr.text(), builder, opened, exits };
}

function sink(): { stream: NodeJS.WritableStream; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = {
    write(chunk: string | Uint8Array) {
      chunks.push(Buffer.from(chunk as string));
      return true;
    },
  };
  return { stream: stream as unknown as NodeJS.WritableStream, text: () => Buffer.concat(chunks).toString("utf8") };
}
