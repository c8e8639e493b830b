// Six services up in the background, no waits for health: `slipway compose up -d` of images in its store, against `docker-compose up -d`
// with the images loaded into a Docker Engine, and against loading them first, which is what a job that has just built them must do.
// In turns, in a network namespace of its own. `npm run bench compose [ROUNDS]`; needs root, docker.io and docker-compose.

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerPeer } from "../../test/integration/peers.ts";

const home = join(import.meta.dirname, "../..");
const slipway = join(home, "slipway");
const services = ["api", "cache", "db", "mailer", "web", "worker"];

/** Prints the table. Runs itself again inside a network namespace first. */
export async function benchCompose(rounds: number): Promise<void> {
  if (process.env["SLIPWAY_BENCH_NETNS"] === undefined) {
    const argv = ["-n", process.execPath, join(home, "bench/run.ts"), "compose", String(rounds)];
    const { status } = spawnSync("unshare", argv, {
      stdio: "inherit",
      env: { ...process.env, SLIPWAY_BENCH_NETNS: "1" },
    });
    if (status !== 0) throw new Error(`the benchmark ended with ${status}`);
    return;
  }
  run(["ip", "link", "set", "lo", "up"], {});
  const folder = mkdtempSync(join(process.env["SLIPWAY_BENCH_DIR"] ?? tmpdir(), "slipway-bench-"));
  try {
    await using docker = await DockerPeer.start("127.0.0.1:1", "classic", { parent: folder, ownNetwork: true });
    const project = makeProject(folder);
    const env = { ...process.env, SLIPWAY_ROOT: join(folder, "state"), DOCKER_HOST: docker.host, HOME: folder };
    const tar = (name: string) => join(folder, `${name}.tar`);
    for (const name of services) {
      const argv = ["build", "-q", "--provenance=false", "--build-arg", `NAME=${name}`, "-t", `bench-${name}`];
      run([slipway, ...argv, project.context], env);
      run([slipway, ...argv, "-o", `type=docker,dest=${tar(name)}`, project.context], env);
    }
    const load = () => services.forEach((name) => run(["docker", "load", "-q", "-i", tar(name)], env));
    const ours = [slipway, "compose", "--progress", "quiet", "-f", project.file];
    const theirs = ["docker-compose", "--ansi", "never", "-f", project.file];
    const measures: { name: string; prepare: () => void; measured: () => void; down: string[]; values: number[] }[] = [
      {
        name: "slipway compose up -d",
        prepare: () => {},
        measured: () => run([...ours, "up", "-d"], env),
        down: ours,
        values: [],
      },
      {
        name: "docker-compose up -d, images loaded",
        prepare: load,
        measured: () => run([...theirs, "up", "-d"], env),
        down: theirs,
        values: [],
      },
      {
        name: "docker load, docker-compose up -d",
        prepare: () => run(["docker", "rmi", "-f", ...services.map((name) => `bench-${name}`)], env),
        measured: () => {
          load();
          run([...theirs, "up", "-d"], env);
        },
        down: theirs,
        values: [],
      },
    ];
    for (let round = -1; round < rounds; round++) {
      for (const each of measures) {
        each.prepare();
        const begun = performance.now();
        each.measured();
        // The first round warms up.
        if (round >= 0) each.values.push(performance.now() - begun);
        run([...each.down, "down", "-t", "1"], env);
      }
    }
    const own = median(measures[0]!.values);
    console.log(`Six services up, ms | median of ${rounds} | least | slipway's part of it`);
    for (const { name, values } of measures) {
      console.log(
        `${name} | ${median(values).toFixed(0)} | ${Math.min(...values).toFixed(0)} | ${(own / median(values)).toFixed(2)}`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Images of 124 MB, as a slim distribution with a runtime has: a base that all share, and 4 MB of each service's own. */
function makeProject(folder: string): { context: string; file: string } {
  const context = join(folder, "context");
  mkdirSync(context);
  copyFileSync("/bin/busybox", join(context, "busybox"));
  writeFileSync(join(context, "shared"), randomBytes(120 << 20));
  for (const name of services) writeFileSync(join(context, `own-${name}`), randomBytes(4 << 20));
  writeFileSync(
    join(context, "Dockerfile"),
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox","--install","-s","/bin"]\nCOPY shared /\nARG NAME\nCOPY own-$NAME /\nCMD ["sh","-c","trap \'exit 0\' TERM; while :; do sleep 1 & wait; done"]\n',
  );
  const file = join(folder, "compose.yaml");
  const text = services.map((name) => {
    const after = name === "web" ? "\n    depends_on: [api]" : "";
    return `  ${name}:\n    image: bench-${name}\n    environment: {NAME: ${name}}${after}`;
  });
  writeFileSync(file, `services:\n${text.join("\n")}\n`);
  return { context, file };
}

function run(argv: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr, stdout } = spawnSync(argv[0]!, argv.slice(1), {
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${status}\n${stdout}${stderr}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
