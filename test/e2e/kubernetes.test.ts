// The driver kubernetes from the command line to a real daemon. There is no cluster: a script takes the part of kubectl, keeps what is
// applied in a file, and runs what is to be run in a pod beside itself.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withoutBuildx } from "../integration/peers.ts";
import { DaemonPeer } from "./daemon-peer.ts";
import { program, Project } from "./project.ts";

const skip = withoutBuildx() || (process.getuid?.() === 0 ? false : "steps need root here");

const KUBECTL = `#!/bin/sh
cd "$CLUSTER" && echo "$*" >>calls
while [ "\${1#--}" != "$1" ]; do shift; done
case "$1 $2" in
  "apply -f") cat >applied; echo 1 >replicas ;;
  "get deployment") [ ! -e applied ] || echo '{"status":{"readyReplicas":'$(cat replicas)'}}' ;;
  "get pods") echo '{"items":[{"metadata":{"name":"box0-x"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}]}' ;;
  "exec -i") shift 6; exec "$@" ;;
  "scale "*) echo 0 >replicas ;;
  "delete deployment") rm -f applied replicas ;;
  "rollout status") ;;
  *) echo "what is $*?" >&2; exit 1 ;;
esac
`;

test("a builder in pods: made on first use, built with, stopped, removed", { skip }, async () => {
  using project = new Project();
  await using daemon = await DaemonPeer.start(project);
  const [bin, cluster] = [join(project.dir, "bin"), join(project.dir, "cluster")];
  mkdirSync(bin);
  mkdirSync(cluster);
  writeFileSync(join(bin, "kubectl"), KUBECTL, { mode: 0o755 });
  writeFileSync(join(bin, "slipway"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 });
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env["PATH"]}`,
    CLUSTER: cluster,
    BUILDKIT_HOST: daemon.address,
    SLIPWAY_CONFIG: join(project.dir, "config"),
    BUILDKIT_PROGRESS: "plain",
  };
  const slipway = (argv: readonly string[], changed: NodeJS.ProcessEnv = {}) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      const options = { cwd: project.dir, env: { ...env, ...changed } };
      execFile(process.execPath, [program, ...argv], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
      );
    });
  const ok = async (...argv: readonly string[]) => {
    const { code, output } = await slipway(argv);
    assert.equal(code, 0, `slipway ${argv.join(" ")}\n${output}`);
    return output;
  };

  await ok("create", "--name", "box", "--driver", "kubernetes", "--driver-opt", "namespace=ci,limits.cpu=2", "there");
  assert.match(await ok("ls"), /_ box0 +\\_ kubernetes:\/\/there\/ci\/box0 +inactive/);
  const dir = project.context(
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "sh", "-c", "echo in a pod >/said"]\n',
  );
  const built = await ok("build", "--builder", "box", "-o", "out", dir);
  assert.match(built, /booting builder box, node box0/);
  assert.equal(readFileSync(join(project.dir, "out/said"), "utf8"), "in a pod\n");
  assert.match(readFileSync(join(cluster, "applied"), "utf8"), /"limits":\{"cpu":"2"\}/);
  assert.match(readFileSync(join(cluster, "calls"), "utf8"), /^--context=there --namespace=ci apply -f -$/m);
  assert.match(await ok("inspect", "box"), /Status: +running/);
  await ok("stop", "box");
  assert.match(await ok("ls"), /_ box0 .* stopped/);
  assert.match(await ok("build", "--builder", "box", dir), /booting[^]*CACHED/);
  await ok("rm", "box");
  assert.equal(existsSync(join(cluster, "applied")), false);

  // Without kubectl: said at once, and a builder can be forgotten all the same.
  await ok("create", "--name", "box", "--driver", "kubernetes");
  const alone = await slipway(["bootstrap", "box"], { PATH: join(project.dir, "nowhere") });
  assert.equal(alone.code, 1);
  assert.match(alone.output, /kubectl is not on the path/);
  const forgotten = await slipway(["rm", "--force", "box"], { PATH: join(project.dir, "nowhere") });
  assert.equal(forgotten.code, 0, forgotten.output);
});
