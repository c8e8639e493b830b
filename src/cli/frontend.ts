// `slipway frontend`: the Dockerfile frontend as what an image runs, for `# syntax=` of any BuildKit.

import { Duplex } from "node:stream";
import type { CommandDefinition, Invocation } from "./command.ts";

export const frontend: CommandDefinition = {
  name: "frontend",
  summary: "Be a frontend image: read Dockerfiles for the builder at standard input and output",
  description:
    "What an image runs that Dockerfiles name in their first line, `# syntax=IMAGE`. Any BuildKit starts it, slipway's daemon among them.",
  usage: "",
  args: { min: 0, max: 0 },
  flags: [],
  examples: [
    {
      what: "The last line of such an image's Dockerfile",
      line: 'ENTRYPOINT ["/node", "/slipway.js", "frontend"]',
    },
  ],
  run: runFrontendVerb,
};

async function runFrontendVerb({ shell }: Invocation): Promise<number> {
  const { runFrontend } = await import("../service/frontend/index.ts");
  const controller = new AbortController();
  using _signals = shell.onSignals(() => controller.abort(new DOMException("context canceled", "AbortError")));
  const { stdin, stdout } = shell;
  const duplex = new Duplex({
    read() {
      stdin.on("data", (chunk: Buffer) => {
        if (!this.push(chunk)) stdin.pause();
      });
      stdin.once("end", () => this.push(null));
      this._read = () => void stdin.resume();
    },
    write: (chunk: Buffer, _encoding, callback) => void stdout.write(chunk, callback),
  });
  const code = await runFrontend(duplex, shell.env, controller.signal);
  shell.exitNow(code);
  return code;
}
