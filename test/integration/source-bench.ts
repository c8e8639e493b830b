// For tests of remote sources: `slipway build` as a process on a store of its own, and a web server on loopback that counts.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

export interface BuildOutcome {
  readonly code: number | null;
  readonly output: string;
  /** Folder that `-o type=local` filled. */
  readonly out: string;
  read(path: string): string;
}

export interface BuildSettings {
  readonly stdin?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
  readonly root?: string;
  readonly cwd?: string;
}

/** A temporary home with a state root; disposing removes it. */
export class SourceBench implements Disposable {
  readonly home = realpathSync(mkdtempSync(join(tmpdir(), "slipway-sources-")));
  readonly root = join(this.home, "state");
  #builds = 0;

  /** Writes files, and gives the folder's path. */
  folder(name: string, files: Readonly<Record<string, string>>): string {
    const dir = join(this.home, name);
    mkdirSync(dir, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    return dir;
  }

  /** Runs `slipway build --progress=plain -o type=local,…`. */
  async build(argv: readonly string[], settings: BuildSettings = {}): Promise<BuildOutcome> {
    const out = join(this.home, `out-${++this.#builds}`);
    const { SLIPWAY_NAMESPACE: _, SSH_AUTH_SOCK: __, ...inherited } = process.env;
    const child = spawn(
      process.execPath,
      [main, "build", "--progress=plain", `--output=type=local,dest=${out}`, ...argv],
      {
        cwd: settings.cwd ?? this.home,
        env: { ...inherited, SLIPWAY_ROOT: settings.root ?? this.root, SLIPWAY_NAMESPACE: "private", ...settings.env },
        stdio: ["pipe", "pipe", "pipe"],
      },
    );
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.stdin.end(settings.stdin ?? "");
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, output, out, read: (path) => readFileSync(join(out, path), "utf8") };
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A web server whose answers a test decides; every request is written down. */
export class WebServer implements AsyncDisposable {
  readonly requests: { method: string; path: string; headers: IncomingMessage["headers"]; status: number }[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(handler: Handler): Promise<WebServer> {
    let self: WebServer | undefined;
    const server = createServer((request, response) => {
      const entry = { method: request.method!, path: request.url!, headers: request.headers, status: 0 };
      self?.requests.push(entry);
      response.on("close", () => (entry.status = response.statusCode));
      handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (self = new WebServer(server));
  }

  /** `METHOD path status` of what was asked since the last call. */
  taken(): string[] {
    return this.requests.splice(0).map(({ method, path, status }) => `${method} ${path} ${status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
