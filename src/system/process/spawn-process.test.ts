import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { runToEnd, spawnProcess } from "./index.ts";

const env = { PATH: "/usr/bin:/bin" };

for (const via of ["posix_spawn", "node"] as const) {
  void test(`${via}: exit codes and signals`, async () => {
    assert.deepEqual(await (await spawnProcess(["sh", "-c", "exit 3"], { via, env })).exited, {
      exitCode: 3,
      signal: null,
    });
    const killed = await (await spawnProcess(["sh", "-c", "kill -TERM $$"], { via, env })).exited;
    assert.deepEqual(killed, { exitCode: null, signal: "SIGTERM" });
  });

  void test(`${via}: a program that is not there`, async () => {
    await assert.rejects(spawnProcess(["/no/such/program"], { via, env }), { code: "ENOENT" });
    await assert.rejects(spawnProcess(["sh"], { via, env, cwd: "/no/such/dir" }), { code: "ENOENT" });
    await assert.rejects(spawnProcess(["sh"], { via, env, signal: AbortSignal.abort(new Error("before")) }), /before/);
  });

  void test(`${via}: directory, environment, standard input, both outputs, extra descriptors`, async () => {
    const script = 'pwd; echo "$WORD"; cat; echo oops >&2; ls /proc/self/fd | wc -l';
    const stdin = (async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from("one\n");
      await Promise.resolve();
      yield Buffer.from("two\n");
    })();
    const result = await runToEnd(["sh", "-c", script], { via, env: { ...env, WORD: "wört" }, cwd: "/usr", stdin });
    // 0, 1, 2 and the directory that ls reads: nothing of ours leaks into children.
    // Node's spawn passes on what we ourselves were started with.
    const [text, descriptors] = [result.stdout.toString().slice(0, -2), result.stdout.toString().at(-2)];
    assert.equal(text, "/usr\nwört\none\ntwo\n");
    if (via === "posix_spawn") assert.equal(descriptors, "4");
    assert.equal(result.stderr.toString(), "oops\n");
  });

  void test(`${via}: signal dispositions are the default ones: SIGPIPE kills`, async () => {
    const result = await runToEnd(["sh", "-c", "yes | head -1; kill -PIPE $$; echo alive"], { via, env });
    assert.equal(result.stdout.toString(), "y\n");
    assert.equal(result.signal, "SIGPIPE");
  });

  void test(`${via}: large output arrives whole and in order, though the process has ended`, async () => {
    const hash = createHash("sha256");
    let size = 0;
    const child = await spawnProcess(["seq", "1", "2000000"], {
      via,
      env,
      onStdout: (chunk) => {
        hash.update(chunk);
        size += chunk.length;
      },
    });
    assert.equal((await child.exited).exitCode, 0);
    const expected = createHash("sha256");
    for (let number = 1; number <= 2_000_000; number++) expected.update(`${number}\n`);
    assert.equal(size, 14_888_896);
    assert.equal(hash.digest("hex"), expected.digest("hex"));
  });

  void test(`${via}: killing reaches grandchildren; aborting kills the group`, async () => {
    const stop = new AbortController();
    const grandchild = Promise.withResolvers<number>();
    const child = await spawnProcess(["sh", "-c", "sleep 1000 & echo $!; wait"], {
      via,
      env,
      signal: stop.signal,
      onStdout: (chunk) => grandchild.resolve(Number(chunk.toString())),
    });
    const pid = await grandchild.promise;
    assert.notEqual(processState(pid), undefined);
    stop.abort();
    assert.deepEqual(await child.exited, { exitCode: null, signal: "SIGKILL" });
    assert.ok(["Z", undefined].includes(processState(pid)));
    assert.equal(child.kill(), false);
  });

  void test(`${via}: output held open by a daemon does not hold up the end`, async () => {
    let out = "";
    const child = await spawnProcess(["sh", "-c", "sleep 1000 & echo $!"], {
      via,
      env,
      drainMs: 50,
      onStdout: (chunk) => (out += chunk.toString()),
    });
    assert.equal((await child.exited).exitCode, 0);
    process.kill(Number(out), "SIGKILL");
  });

  void test(`${via}: 200 processes leave neither descriptors nor zombies`, async () => {
    await runToEnd(["true"], { via, env });
    const before = readdirSync("/proc/self/fd").length;
    const codes: (number | null)[] = [];
    for (let round = 0; round < 10; round++) {
      const children = await Promise.all(
        Array.from({ length: 20 }, (_, index) => runToEnd(["sh", "-c", `echo x; exit ${index}`], { via, env })),
      );
      codes.push(...children.map((child) => child.exitCode));
    }
    assert.deepEqual(
      codes.slice(0, 20),
      Array.from({ length: 20 }, (_, index) => index),
    );
    assert.equal(readdirSync("/proc/self/fd").length, before);
    assert.deepEqual(zombies(), []);
  });
}

function processState(pid: number): string | undefined {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

function zombies(): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || processState(Number(name)) !== "Z") return false;
    return readFileSync(`/proc/${name}/stat`, "utf8").includes(`) Z ${process.pid} `);
  });
}
