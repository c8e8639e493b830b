// A throw-away project and store for tests of whole commands: the bundle (or the sources) run as a process, as the launcher does.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const home = join(import.meta.dirname, "../..");
const bundle = join(home, "dist/slipway.js");

/** What `slipway` is started from. */
export const program: string = existsSync(bundle) ? bundle : join(home, "src/cli/main.ts");

export interface Outcome {
  readonly code: number | null;
  /** Both outputs, as a terminal would show them. */
  readonly output: string;
}

export class Project implements Disposable {
  readonly dir: string = realpathSync(mkdtempSync(join(tmpdir(), "slipway-e2e-")));
  readonly state: string = join(this.dir, "state");
  #count = 0;

  /** A context folder holding busybox, the Dockerfile and `files`. */
  context(dockerfile: string, files: Readonly<Record<string, string | Buffer>> = {}): string {
    const dir = join(this.dir, `context${++this.#count}`);
    mkdirSync(dir);
    copyFileSync("/bin/busybox", join(dir, "busybox"));
    writeFileSync(join(dir, "Dockerfile"), dockerfile);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), content);
    }
    return dir;
  }

  /** Runs `slipway ARGV…` to its end. */
  slipway(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Outcome {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
      encoding: "utf8",
      cwd: this.dir,
      env: { ...process.env, SLIPWAY_ROOT: this.state, BUILDKIT_PROGRESS: "plain", ...env },
      timeout: 60_000,
      maxBuffer: 1 << 28,
    });
    return { code: status, output: stdout + stderr };
  }

  [Symbol.dispose](): void {
    // Whoever looks last takes away bridges that nobody lives on.
    if (existsSync(join(this.state, "networks"))) this.slipway(["network", "ls"]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
