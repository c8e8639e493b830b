// A further process in a running container. The runtime is run where the supervisor is, with the caller's own streams: a terminal passes
// straight through, and so does the exit code.

import { randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import { findContainerRuntime, resolveUser } from "../../engine/executor/index.ts";
import type { ContainerRecord, ContainerStore } from "./container-store.ts";
import { logEvent } from "./events.ts";
import { securityOf } from "./security.ts";
import { processSpec } from "./spec.ts";
import { withGroups } from "./start.ts";
import { lookAt } from "./state.ts";
import { supervisorProgram } from "./supervisor.ts";
import type { ExecConfig, Streams } from "./types.ts";

/** Resolves with its exit code, with 0 at once when detached. @throws CONTAINER_NOT_RUNNING, CONTAINER_PAUSED, EXEC_FAILED (126, 127), PROCESS_USER. */
export async function execIn(
  record: ContainerRecord,
  store: ContainerStore,
  exec: ExecConfig,
  streams?: Streams,
): Promise<number> {
  const dir = store.dir(record.id);
  const { state } = lookAt(dir);
  if (state.status === "paused") {
    throw new BuildError(`Container ${record.id} is paused, unpause the container before exec`, {
      code: "CONTAINER_PAUSED",
      status: "FailedPrecondition",
    });
  }
  if (state.status !== "running") {
    throw new BuildError(`Container ${record.id} is not running`, {
      code: "CONTAINER_NOT_RUNNING",
      status: "FailedPrecondition",
    });
  }
  const there = join(`/proc/${state.supervisorPid}/root`, dir);
  const rootfs = join(there, "rootfs");
  const asked = exec.privileged ? { ...record.config, privileged: true } : record.config;
  const name = exec.user ?? record.effective.user;
  const user = withGroups(rootfs, resolveUser(rootfs, name), record.config.groupAdd ?? []);
  const env = [...record.effective.env, ...(exec.tty && !record.config.tty ? ["TERM=xterm"] : []), ...exec.env];
  const spec = processSpec(
    { record, user, security: securityOf(asked) },
    {
      terminal: exec.tty,
      args: exec.command,
      env: lastOfEach(env),
      cwd: exec.workingDir ?? record.effective.workingDir,
    },
  );
  const mark = `exec-${randomBytes(6).toString("hex")}`;
  const specPath = join(dir, "bundle", `${mark}.json`);
  const logPath = join("runtime", `${mark}.log`);
  writeFileSync(specPath, JSON.stringify(spec), { mode: 0o600 });
  const detach = exec.detach ? ["--detach"] : [];
  const argv = [
    "enter",
    String(state.supervisorPid),
    dir,
    findContainerRuntime().path,
    "--root",
    "runtime",
    "--log",
    logPath,
    "--log-format",
    "json",
    "exec",
    ...detach,
    "--process",
    join("bundle", `${mark}.json`),
    record.id,
  ];
  logEvent(store, `exec_create: ${exec.command.join(" ")}`, record);
  try {
    const code = await runEntered(argv, exec, streams);
    const reason = code === 0 ? "" : lastMessage(join(there, logPath));
    if (reason !== "" && /exec failed|executing|unable to start container process/.test(reason))
      throw execError(reason);
    logEvent(store, "exec_die", record, { exitCode: String(code) });
    return code;
  } finally {
    rmSync(specPath, { force: true });
    rmSync(join(there, logPath), { force: true });
  }
}

function runEntered(argv: readonly string[], exec: ExecConfig, streams: Streams | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    // The runtime's own complaints come back in its log; a detached program's output goes nowhere.
    const own = streams === undefined && !exec.detach;
    const child = spawn(supervisorProgram(), argv, {
      stdio: own
        ? [exec.interactive ? "inherit" : "ignore", "inherit", "inherit"]
        : [
            exec.interactive && streams?.stdin !== undefined ? "pipe" : "ignore",
            streams?.stdout === undefined ? "ignore" : "pipe",
            streams?.stderr === undefined ? "ignore" : "pipe",
          ],
    });
    child.once("error", reject);
    child.stdout?.on("data", (chunk: Buffer) => streams?.stdout?.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => streams?.stderr?.write(chunk));
    const { stdin } = child;
    if (stdin !== null && streams?.stdin !== undefined) {
      stdin.on("error", () => undefined);
      streams.stdin.on("data", (chunk: Buffer) => stdin.write(chunk));
      streams.stdin.on("end", () => stdin.end());
    }
    child.once("close", (code, signal) =>
      resolve(code ?? (signal === "SIGINT" ? 130 : signal === "SIGTERM" ? 143 : 137)),
    );
  });
}

function lastMessage(path: string): string {
  try {
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const { level, msg } = JSON.parse(lines.at(-1) ?? "{}") as { level?: string; msg?: string };
    return level === "error" && typeof msg === "string" ? msg : "";
  } catch {
    return "";
  }
}

function execError(reason: string): BuildError {
  const missing = /executable file not found|no such file or directory/.test(reason);
  return new BuildError(`OCI runtime exec failed: ${reason}`, {
    code: "EXEC_FAILED",
    status: "InvalidArgument",
    exitCode: missing ? 127 : 126,
  });
}

function lastOfEach(list: readonly string[]): string[] {
  return [...new Map(list.map((entry) => [entry.split("=", 1)[0]!, entry])).values()];
}
