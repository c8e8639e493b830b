// An SSH agent that knows a few key files and does nothing but list them and sign. It listens on a socket in a folder that only its
// owner enters. Spec: draft-ietf-sshm-ssh-agent. Counterpart: moby/buildkit session/sshforward/sshprovider.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError, errnoOf, messageOf } from "../../base/index.ts";
import { readPrivateKey, type SshKey } from "../ssh-keys/index.ts";
import { SshReader, sshString, sshUint32 } from "../ssh-keys/index.ts";

const maxMessageBytes = 256 << 10;
const failure = Buffer.from([5]);

export class KeyAgent implements AsyncDisposable {
  /** Path of the agent's socket. */
  readonly socket: string;
  readonly #dir: string;
  readonly #keys: readonly SshKey[];
  readonly #server: Server;
  readonly #clients = new Set<Socket>();

  private constructor(dir: string, keys: readonly SshKey[]) {
    this.#dir = dir;
    this.socket = join(dir, "agent.sock");
    this.#keys = keys;
    this.#server = createServer((client) => this.#serve(client));
  }

  /** Reads the keys and listens. @throws SSH_KEY_UNREADABLE. */
  static async start(files: readonly string[]): Promise<KeyAgent> {
    const keys: SshKey[] = [];
    for (const file of files) {
      try {
        keys.push(readPrivateKey(await readFile(file, "utf8")));
      } catch (error) {
        throw new BuildError(`failed to parse ${file}: ${errnoOf(error) ?? messageOf(error)}`, {
          code: "SSH_KEY_UNREADABLE",
          status: "InvalidArgument",
          hint: `load the key into an agent (ssh-add ${file}) and forward that with --ssh default`,
          cause: error,
        });
      }
    }
    const agent = new KeyAgent(await mkdtemp(join(tmpdir(), "slipway-agent-")), keys);
    await new Promise<void>((resolve, reject) => {
      agent.#server.once("error", reject);
      agent.#server.listen(agent.socket, resolve);
    });
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(this.#dir, { recursive: true, force: true });
  }

  #serve(client: Socket): void {
    this.#clients.add(client);
    client.on("close", () => this.#clients.delete(client));
    client.on("error", () => client.destroy());
    let pending = Buffer.alloc(0);
    client.on("data", (chunk) => {
      pending = Buffer.concat([pending, Buffer.from(chunk as Uint8Array)]);
      while (pending.length >= 4) {
        const length = pending.readUInt32BE(0);
        if (length > maxMessageBytes) {
          client.destroy();
          return;
        }
        if (pending.length < 4 + length) return;
        client.write(sshString(this.#answer(pending.subarray(4, 4 + length))));
        pending = pending.subarray(4 + length);
      }
    });
  }

  #answer(message: Buffer): Buffer {
    try {
      switch (message[0]) {
        case 11: // request identities
          return Buffer.concat([
            Buffer.from([12]),
            sshUint32(this.#keys.length),
            ...this.#keys.flatMap(({ blob }) => [sshString(blob), sshString("")]),
          ]);
        case 13: {
          // sign request
          const fields = new SshReader(message.subarray(1));
          const blob = fields.string();
          const data = fields.string();
          const key = this.#keys.find((candidate) => candidate.blob.equals(blob));
          return key ? Buffer.concat([Buffer.from([14]), sshString(key.sign(data, fields.uint32()))]) : failure;
        }
        default:
          return failure;
      }
    } catch {
      return failure;
    }
  }
}
