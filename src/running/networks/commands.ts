// Running `ip`, `iptables` and `nft` on this machine's own network namespace, with errors that say what to install.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { BuildError, errnoOf } from "../../base/index.ts";
import { runToEnd } from "../../system/process/index.ts";

/** Where these programs live, also on machines whose PATH for users leaves them out. */
const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one; `ok` is false when it exits with anything but 0, or is not installed. */
export async function tryCommand(argv: readonly string[], stdin?: string): Promise<CommandResult> {
  const [program = "", ...args] = argv;
  try {
    const folder = FOLDERS.find((each) => existsSync(join(each, program)));
    const { exitCode, stdout, stderr } = await runToEnd(
      [folder === undefined ? program : join(folder, program), ...args],
      {
        env: { PATH: FOLDERS.join(":"), LC_ALL: "C" },
        stdin: stdin === undefined ? undefined : Buffer.from(stdin),
      },
    );
    return { ok: exitCode === 0, stdout: stdout.toString(), stderr: stderr.toString().trim() };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { ok: false, stdout: "", stderr: `${program}: not installed` };
    throw error;
  }
}

/** `ip -batch` of several lines on this machine's network. @throws NETWORK_COMMAND with ip's own words. */
export function ipBatch(lines: readonly string[]): Promise<void> {
  return batch(["ip", "-batch", "-"], lines);
}

/** The same in the network namespace whose file is given. */
export function ipBatchIn(netns: string, lines: readonly string[]): Promise<void> {
  return batch(inNamespace(netns, ["ip", "-batch", "-"]), lines);
}

/** The command line that runs `argv` in a network namespace. */
export function inNamespace(netns: string, argv: readonly string[]): string[] {
  return ["nsenter", `--net=${netns}`, ...argv];
}

async function batch(argv: readonly string[], lines: readonly string[]): Promise<void> {
  const { ok, stderr } = await tryCommand(argv, `${lines.filter((line) => line !== "").join("\n")}\n`);
  if (ok) return;
  const missing = /not installed|No such file or directory/.test(stderr) && !stderr.includes("RTNETLINK");
  throw new BuildError(`setting up the network failed: ${stderr}`, {
    code: "NETWORK_COMMAND",
    status: "FailedPrecondition",
    hint: missing
      ? "apt-get install -y iproute2, or use --network host or none"
      : "slipway doctor tells what this machine's networks can do",
  });
}
