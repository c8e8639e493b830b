// Compiles the supervisor, a small static C program, to dist/slipway-supervisor. `--check` builds it with the sanitizers instead, for
// tests; then the second argument is where to.

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const sources = globSync("native/supervisor/*.c", { cwd: root }).sort();
const check = process.argv[2] === "--check";
const out = check ? (process.argv[3] ?? "") : join(root, "dist/slipway-supervisor");
const warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-format-truncation"];
const usual = ["-O2", "-static", "-s", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2", "-ffunction-sections"];
const sanitized = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"];
mkdirSync(dirname(out), { recursive: true });
const temporary = `${out}.new-${process.pid}`;
const { CC = "cc" } = process.env;
const command = [
  "-std=gnu17",
  "-D_GNU_SOURCE",
  ...warnings,
  ...(check ? sanitized : [...usual, "-Wl,--gc-sections"]),
  "-o",
  temporary,
  ...sources,
];
const { status, error } = spawnSync(CC, command, { cwd: root, stdio: "inherit" });
if (error !== undefined || status !== 0) {
  process.stderr.write(
    `slipway: the supervisor can't be compiled; install a C compiler: apt-get install -y gcc libc6-dev\n`,
  );
  process.exit(1);
}
renameSync(temporary, out);
if (!check) writeFileSync(`${out}.stamp`, "");
