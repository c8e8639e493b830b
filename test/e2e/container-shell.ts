// A store with one small image, `box`, and `slipway` run on it: for tests of containers.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { Project, program } from "./project.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why containers can't be run here, or false. */
export const needsRoot: string | false = process.getuid?.() === 0 ? false : "containers need root";

export const BOX = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /tmp /etc && /bin/busybox --install -s /bin && echo root:x:0:0::/root:/bin/sh > /etc/passwd && echo app:x:1000:1001::/:/bin/sh >> /etc/passwd && echo staff:x:50:app > /etc/group"]
ENV GREETING=hello
LABEL kind=test
CMD ["echo", "usual"]
`;

export class ContainerShell implements Disposable {
  readonly project = new Project();

  constructor() {
    this.build("box", BOX);
  }

  build(name: string, dockerfile: string): void {
    const { code, output } = this.project.slipway(["build", "-q", "-t", name, this.project.context(dockerfile)]);
    assert.equal(code, 0, output);
  }

  run(argv: readonly string[], input?: string): Ended {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
      encoding: "utf8",
      cwd: this.project.dir,
      env: { ...process.env, SLIPWAY_ROOT: this.project.state },
      timeout: 120_000,
      ...(input === undefined ? {} : { input }),
    });
    return { code: status, stdout, stderr };
  }

  /** Runs it, and expects that it goes well; resolves with what it printed. */
  good(...argv: string[]): string {
    const { code, stdout, stderr } = this.run(argv);
    assert.equal(code, 0, `slipway ${argv.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** `run --rm --network none …`. */
  box(...argv: string[]): Ended {
    return this.run(["run", "--rm", "--network", "none", ...argv]);
  }

  /** Removes all containers, then the store. */
  [Symbol.dispose](): void {
    const names = this.run(["ps", "-aq"]).stdout.split("\n").filter(Boolean);
    if (names.length > 0) this.run(["rm", "-fv", ...names]);
    this.run(["ps"]);
    this.project[Symbol.dispose]();
  }
}
