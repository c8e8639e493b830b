// Loading into real engines, with the classic store and with containerd's: what was sent, what runs, what a wrong guess costs. And
// pushing into a real registry, from where the images run again.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, request as httpRequest, type Server } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DockerPeer, withoutClassicDocker, withoutDocker } from "./peers.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
const home = mkdtempSync(join(tmpdir(), "slipway-load-"));
const root = join(home, "project");
let registry: { readonly process: ChildProcess; readonly host: string };

before(async () => {
  mkdirSync(root);
  copyFileSync("/bin/busybox", join(root, "busybox"));
  writeFileSync(
    join(root, "Dockerfile"),
    `FROM scratch AS base
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; head -c 300000 /dev/urandom > /random"]
FROM base
ARG WHAT=one
RUN echo $WHAT > /what
CMD ["cat", "/what"]
`,
  );
  registry = await startRegistry();
});
after(async () => {
  registry.process.kill();
  await once(registry.process, "exit");
  rmSync(home, { recursive: true, force: true });
});

async function startRegistry(): Promise<typeof registry> {
  const port = await freePort();
  const config = join(home, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(home, "registry")}}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  );
  const process = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const host = `127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(`http://${host}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return { process, host };
    await sleep(100);
  }
  throw new Error("the registry did not start");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** Stands between us and an engine, and can tell of its images what was true before. */
class Remembering implements AsyncDisposable {
  replays = false;
  readonly path: string;
  readonly #server: Server;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  static async open(engine: string, path: string): Promise<Remembering> {
    const answers = new Map<string, Buffer>();
    const server = createHttpServer((request, response) => {
      const { method = "", url = "" } = request;
      const isLook = method === "GET" && url.startsWith("/images/");
      const known = answers.get(url);
      if (self.replays && isLook && known !== undefined) {
        request.resume();
        response.end(known);
        return;
      }
      const forward = httpRequest(
        { socketPath: engine, method, path: url, headers: request.headers, agent: false },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("end", () => {
            if (!self.replays && isLook && answer.statusCode === 200) answers.set(url, Buffer.concat(chunks));
            response.writeHead(answer.statusCode ?? 502).end(Buffer.concat(chunks));
          });
        },
      );
      forward.on("error", () => response.destroy());
      request.pipe(forward);
    });
    const self = new Remembering(path, server);
    server.listen(path);
    await once(server, "listening");
    return self;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

async function slipway(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...argv], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: home,
      SLIPWAY_ROOT: join(home, "state"),
      SLIPWAY_NAMESPACE: "private",
      ...env,
    },
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stderr };
}

const kinds = [
  ["classic", withoutClassicDocker()],
  ["modern", withoutDocker()],
] as const;

for (const [kind, skip] of kinds) {
  suite(`--load into the ${kind} engine`, { skip }, () => {
    let docker: DockerPeer;
    before(async () => {
      docker = await DockerPeer.start(registry.host, kind);
    });
    after(() => docker[Symbol.asyncDispose]());
    const load = (...argv: string[]) =>
      slipway(["build", "--progress=plain", "--load", ...argv, "."], { DOCKER_HOST: docker.host });
    const runs = async (name: string) => (await docker.docker(["run", "--rm", "--network=none", name])).stdout.trim();

    test("only what the engine lacks is sent, and it runs", async () => {
      const first = await load("-t", "app:1");
      assert.equal(first.code, 0, first.stderr);
      assert.match(first.stderr, /sending 3 of 3 layers, \d+ bytes, to docker at unix:/);
      assert.equal(await runs("app:1"), "one");

      const again = await load("-t", "app:1");
      assert.match(again.stderr, /has the image: nothing sent/);
      const renamed = await load("-t", "app:other");
      assert.match(renamed.stderr, /has the image: nothing sent/);
      assert.equal(await runs("app:other"), "one");

      const changed = await load("-t", "app:2", "--build-arg=WHAT=two");
      assert.match(changed.stderr, /sending 1 of 3 layers, (1536|2048|2560|3072) bytes/);
      assert.equal(await runs("app:2"), "two");
    });

    test("with a cache beside it, whatever the cache's layers are compressed with, here and on a fresh store", async () => {
      const cache = join(home, `${kind}-cache`);
      const args = ["--build-arg=WHAT=cached", "-t", "app:cached"];
      const fresh = (name: string) => ["--root", join(home, `${kind}-${name}`)];
      const exported = await load(...fresh("exporting"), ...args, `--cache-to=type=local,dest=${cache},mode=max`);
      assert.equal(exported.code, 0, exported.stderr);
      assert.equal(await runs("app:cached"), "cached");
      await docker.docker(["rmi", "-f", "app:cached", "app:1", "app:other", "app:2"]);
      await docker.docker(["image", "prune", "-af"]);
      const imported = await load(...fresh("importing"), ...args, `--cache-from=type=local,src=${cache}`);
      assert.equal(imported.code, 0, imported.stderr);
      assert.match(imported.stderr, /RUN echo cached > \/what\n#\d+ CACHED/);
      assert.equal(await runs("app:cached"), "cached");
      assert.equal((await load("-t", "app:1")).code, 0);
      assert.equal((await load("-t", "app:other")).code, 0);
      assert.equal((await load("-t", "app:2", "--build-arg=WHAT=two")).code, 0);
    });

    test("a wrong guess costs a second try", async () => {
      await using memory = await Remembering.open(docker.host.slice("unix://".length), join(home, `${kind}.sock`));
      const through = (...argv: string[]) =>
        slipway(["build", "--progress=plain", "--load", ...argv, "."], { DOCKER_HOST: `unix://${memory.path}` });
      assert.equal((await through("-t", "app:2", "--build-arg=WHAT=two and a half")).code, 0);
      memory.replays = true;
      await docker.docker(["rmi", "-f", "app:1", "app:other", "app:2"]);
      await docker.docker(["image", "prune", "-af"]);
      const { code, stderr } = await through("-t", "app:3", "--build-arg=WHAT=three");
      assert.equal(code, 0, stderr);
      assert.match(stderr, /sending 1 of 3 layers/);
      // containerd may let blobs lie for a while after their last image is gone.
      if (kind === "classic") assert.match(stderr, /lacks a layer after all: sending everything/);
      assert.equal(await runs("app:3"), "three");
    });
  });
}

suite("--push", () => {
  test("an image is pushed once, under several names, and pulled elsewhere", async () => {
    const names = [`${registry.host}/team/app:1`, `${registry.host}/team/app:latest`, `${registry.host}/other/app:1`];
    const tags = names.map((name) => `--tag=${name}`);
    const first = await slipway(["build", "--progress=plain", "--push", ...tags, "."]);
    assert.equal(first.code, 0, first.stderr);
    for (const name of names) assert.ok(first.stderr.includes(`pushing manifest for ${name}@sha256:`), name);
    const again = await slipway(["build", "--progress=plain", "--push", ...tags, "."]);
    assert.equal(again.code, 0, again.stderr);
    assert.doesNotMatch(again.stderr, /pushing layer sha256/);
    writeFileSync(join(root, "Elsewhere"), `FROM ${names[2]}\nRUN cat /what > /seen\n`);
    const other = await slipway(["build", "--progress=plain", "-f", "Elsewhere", "."], {
      SLIPWAY_ROOT: join(home, "other-state"),
    });
    assert.equal(other.code, 0, other.stderr);
  });

  test("layers of a base in the same registry are mounted, never fetched", async () => {
    const base = `${registry.host}/bases/base:1`;
    assert.equal((await slipway(["build", "--push", "--target=base", "-t", base, "."])).code, 0);
    writeFileSync(join(root, "Child"), `FROM ${base}\nLABEL a=b\n`);
    const state = join(home, "child-state");
    const { code, stderr } = await slipway(
      ["build", "--progress=plain", "--push", "-t", `${registry.host}/kids/child:1`, "-f", "Child", "."],
      { SLIPWAY_ROOT: state },
    );
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /pushing layer sha256|sha256:\w+ [\d.]+MB \/ /);
  });

  test("without a name, and with a tag by digest, it is refused with the remedy", async () => {
    const nameless = await slipway(["build", "--push", "."]);
    assert.match(nameless.stderr, /tag is needed when pushing to registry\nhint: name the image/);
    const tagged = await slipway(["build", "-o", `type=image,push-by-digest=true,name=${registry.host}/a:b`, "."]);
    assert.match(tagged.stderr, /can't push tagged ref .* by digest/);
    const digest = await slipway(["build", "-o", `type=image,push-by-digest=true,name=${registry.host}/a`, "."]);
    assert.equal(digest.code, 0, digest.stderr);
  });
});
