// Runs small projects under docker-compose with a Docker Engine of its own and under `slipway compose`, and compares what can be seen.
// Started by compose-differential.test.ts in a network namespace of its own.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../../e2e/project.ts";
import { DockerPeer } from "../../integration/peers.ts";
import { composeCases, shortNames } from "./compose-cases.ts";
import type { ComposeCase } from "./compose-cases.ts";

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is compared. */
interface Seen {
  readonly code: number;
  /** Lines of each service. */
  readonly lines: Record<string, string[]>;
  /** Exit codes of each service's containers. */
  readonly codes: Record<string, number[]>;
  readonly then: unknown[];
}

/** One of the two. */
interface Contestant {
  readonly name: string;
  compose(cwd: string, argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran>;
  /** Service, running or not, exit code, of all containers of a project. */
  states(project: string): Promise<State[]>;
  /** What each container of a project has said. */
  logs(project: string): Promise<{ service: string; stdout: string; stderr: string }[]>;
  /** Takes everything of a project away. */
  down(project: string): Promise<void>;
}

interface State {
  readonly service: string;
  readonly running: boolean;
  readonly code: number;
}

const home = mkdtempSync(join(tmpdir(), "slipway-compose-diff-"));
const root = join(home, "state");
let docker: DockerPeer;

function runProgram(file: string, argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, argv, { cwd, env, timeout: 90_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

const slipway: Contestant = {
  name: "slipway",
  compose: (cwd, argv, env) =>
    runProgram(process.execPath, [program, "compose", ...argv], cwd, {
      ...process.env,
      ...env,
      SLIPWAY_ROOT: root,
    }),
  states: async (project) => {
    const { stdout } = await slipway.compose(home, ["-p", project, "ps", "-a", "--format", "json"], {});
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as { Service: string; State: string; ExitCode: number })
      .map(({ Service, State, ExitCode }) => ({
        service: Service,
        running: ["running", "restarting"].includes(State),
        code: ExitCode,
      }));
  },
  logs: async (project) => {
    const { stdout, stderr } = await slipway.compose(home, ["-p", project, "logs", "--no-color"], {});
    const said = new Map<string, { service: string; stdout: string; stderr: string }>();
    for (const [stream, text] of [
      ["stdout", stdout],
      ["stderr", stderr],
    ] as const) {
      for (const line of text.split("\n")) {
        const [, service = "", rest = ""] = /^(\S+?)(?:-\d+)?\s+\| ?(.*)$/.exec(line) ?? [];
        if (service === "") continue;
        if (!said.has(service)) said.set(service, { service, stdout: "", stderr: "" });
        said.get(service)![stream] += `${rest}\n`;
      }
    }
    return [...said.values()];
  },
  down: async (project) => {
    await slipway.compose(home, ["-p", project, "down", "-v", "-t", "1", "--remove-orphans"], {});
  },
};

const dockerCompose: Contestant = {
  name: "docker-compose",
  compose: (cwd, argv, env) =>
    runProgram("docker-compose", ["--ansi", "never", ...argv], cwd, {
      PATH: process.env["PATH"],
      HOME: home,
      DOCKER_HOST: docker.host,
      ...env,
    }),
  states: async (project) => {
    const ids = lines((await docker.docker(["ps", "-aq", ...ofProject(project)])).stdout);
    if (ids.length === 0) return [];
    const format = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.State.ExitCode}}';
    const { stdout } = await docker.docker(["inspect", "--format", format, ...ids]);
    return stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([service = "", status = "", code = ""]) => ({
        service,
        running: ["running", "restarting"].includes(status),
        code: Number(code),
      }));
  },
  // By the engine's own command: docker-compose takes a second to start.
  logs: async (project) => {
    const format = '{{.ID}} {{.Label "com.docker.compose.service"}}';
    const { stdout } = await docker.docker(["ps", "-a", "--format", format, ...ofProject(project)]);
    return await Promise.all(
      lines(stdout).map(async (line) => {
        const [id = "", service = ""] = line.split(" ");
        const { stdout: out, stderr } = await docker.docker(["logs", id]);
        return { service, stdout: out, stderr };
      }),
    );
  },
  down: async (project) => {
    const filter = ofProject(project);
    const remove = async (list: readonly string[], rm: readonly string[]) => {
      const ids = lines((await docker.docker([...list, "-q", ...filter])).stdout);
      if (ids.length > 0) await docker.docker([...rm, ...ids]);
    };
    await remove(["ps", "-a"], ["rm", "-fv"]);
    await remove(["network", "ls"], ["network", "rm"]);
    await remove(["volume", "ls"], ["volume", "rm"]);
  },
};

function ofProject(project: string): string[] {
  return ["--filter", `label=com.docker.compose.project=${project}`];
}

function lines(text: string): string[] {
  return text.split("\n").filter((each) => each !== "");
}

before(async () => {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  docker = await DockerPeer.start("127.0.0.1:1", "classic", { parent: home, ownNetwork: true });
  const context = join(home, "context");
  mkdirSync(context);
  copyFileSync("/bin/busybox", join(context, "busybox"));
  const install =
    "\"/bin/busybox --install -s /bin 2>/dev/null || { mkdir -p /bin; }; /bin/busybox mkdir -p /tmp /etc /content /run /var; /bin/busybox chmod 1777 /tmp; printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/:/bin/sh\\n' > /etc/passwd; printf 'root:x:0:\\napp:x:1000:\\nmore:x:55:app\\n' > /etc/group; echo from the image > /content/file; /bin/busybox chown app /content/file\"";
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM scratch AS box
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", ${install}]
CMD ["sh"]

FROM box AS full
ENV OWN=image
USER app
WORKDIR /tmp
ENTRYPOINT ["echo", "image"]
CMD ["default"]
HEALTHCHECK --interval=300ms --timeout=2s --retries=10 CMD ["true"]
`,
  );
  for (const [target, tag] of [
    ["box", "box"],
    ["full", "box-full"],
  ] as const) {
    const argv = ["build", "--root", root, "-q", "--provenance=false", "--target", target, "-t", tag, context];
    const built = await runProgram(process.execPath, [program, ...argv], home, process.env);
    assert.equal(built.code, 0, built.stderr);
    const file = join(home, `${tag}.tar`);
    const saved = await runProgram(
      process.execPath,
      [program, ...argv.slice(0, -1), "-o", `type=docker,dest=${file}`, context],
      home,
      process.env,
    );
    assert.equal(saved.code, 0, saved.stderr);
    await docker.docker(["load", "-i", file]);
  }
});

after(async () => {
  await docker[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

/** A project run whole by one of the two, taken down afterwards. */
async function see(contestant: Contestant, each: ComposeCase, project: string): Promise<Seen> {
  const cwd = join(home, contestant.name, project);
  mkdirSync(cwd, { recursive: true });
  for (const [name, text] of Object.entries({ ...each.files, "compose.yaml": each.yaml })) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), text);
  }
  const globals = ["-p", project, ...(each.globals ?? [])];
  const run = (argv: readonly string[]) => contestant.compose(cwd, [...globals, ...argv], each.env ?? {});
  try {
    const words = [...(each.up ?? [])];
    if (each.fetch !== undefined) words.push("-d");
    if (each.main !== undefined) {
      words.unshift("--exit-code-from", each.main);
      if (contestant === slipway) words.unshift("--keep");
    }
    const up = await run(["up", ...words]);
    if (each.codesOnly === true) return { code: up.code, lines: {}, codes: {}, then: [] };
    const then: unknown[] = [];
    if (each.fetch !== undefined) then.push(await fetched(each.fetch));
    for (const argv of each.then ?? []) then.push(await followUp(argv, { run, contestant, project }));
    const isDetached = words.includes("-d");
    const lines = isDetached ? {} : await linesOf(contestant, project, each.quiet ?? []);
    const states = isDetached ? [] : await contestant.states(project);
    const codes = Object.fromEntries(
      [...Map.groupBy(states, ({ service }) => service)].map(([service, all]) => [
        service,
        all.map(({ code }) => code).toSorted(),
      ]),
    );
    if (process.env["SLIPWAY_DIFF_DEBUG"] !== undefined) console.log(contestant.name, up);
    return { code: up.code, lines, codes, then };
  } finally {
    await contestant.down(project);
  }
}

interface FollowUp {
  readonly run: (argv: readonly string[]) => Promise<Ran>;
  readonly contestant: Contestant;
  readonly project: string;
}

async function followUp(argv: readonly string[], { run, contestant, project }: FollowUp): Promise<unknown> {
  switch (argv[0]) {
    case "nap":
      await sleep(700);
      return undefined;
    case "wait-for-end":
      for (let tries = 0; tries < 100; tries++) {
        if (!(await contestant.states(project)).some(({ running }) => running)) break;
        await sleep(200);
      }
      return (await contestant.states(project)).map(({ service, code }) => [service, code]);
    case "logs-of":
      return [
        await linesOf(contestant, project, []),
        (await contestant.states(project)).map(({ service, running, code }) => [service, running, running ? 0 : code]),
      ];
    default: {
      const { code, stdout } = await run(argv);
      return { argv, code, stdout: ["exec", "run"].includes(argv[0]!) ? stdout.replaceAll("\r", "") : "" };
    }
  }
}

/** What each service said; who is in `quiet` is not compared, nor the streams of `SERVICE:stderr`. */
async function linesOf(
  contestant: Contestant,
  project: string,
  quiet: readonly string[],
): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { service, stdout, stderr } of await contestant.logs(project)) {
    if (quiet.includes(service)) continue;
    const text = quiet.includes(`${service}:stderr`) ? stdout : stdout + stderr;
    (found[service] ??= []).push(...lines(text.replaceAll("\r", "")));
  }
  for (const all of Object.values(found)) all.sort();
  return Object.fromEntries(Object.entries(found).filter(([, all]) => all.length > 0));
}

function fetched(url: string): Promise<string> {
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      get(url, { timeout: 2000 }, (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve(`${response.statusCode} ${text}`));
      }).on("error", reject);
    });
  return (async () => {
    for (let tries = 0; ; tries++) {
      try {
        return await ask();
      } catch (error) {
        if (tries > 30) throw error;
        await sleep(200);
      }
    }
  })();
}

const all = process.env["SLIPWAY_COMPOSE_CASES"] ?? "short";
const chosen = composeCases.filter(
  ({ name }) => all === "all" || (all === "short" ? shortNames.includes(name) : new RegExp(all).test(name)),
);

suite("the same compose files under docker-compose and under slipway", { concurrency: 3 }, () => {
  for (const [at, each] of chosen.entries()) {
    test(each.name, async () => {
      const project = `diff${at}`;
      // A port of the host is for one of them at a time.
      const first = see(dockerCompose, each, project);
      if (each.fetch !== undefined) await first;
      const [expected, actual] = await Promise.all([first, see(slipway, each, project)]);
      assert.deepEqual(actual, expected);
    });
  }
});
