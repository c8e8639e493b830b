// Secrets as part of a step's cache key, for those that the user asks it of: another secret is another key, and the key tells nothing
// of the secret. Keys travel with caches, so they are made to be slow to guess: scrypt, salted with the step itself.

import { promisify } from "node:util";
import { scrypt as scryptCallback } from "node:crypto";
import type { ScryptOptions } from "node:crypto";
import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { pb } from "../../formats/proto/index.ts";
import type { SessionPort } from "../ports/index.ts";

const scrypt = promisify<Uint8Array, string, number, ScryptOptions, Buffer>(scryptCallback);
/** About 0.1 s and 32 MiB for a guess. */
const COST: ScryptOptions = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };

/** The digest of a step whose secrets count, or the one given where none does. */
export async function withSecrets(
  digest: Digest,
  op: pb.ExecOp,
  session: SessionPort,
  signal: AbortSignal,
): Promise<Digest> {
  const used = [...op.mounts.flatMap(({ secretOpt }) => secretOpt?.ID ?? []), ...op.secretenv.map(({ ID }) => ID)];
  const counted = [...new Set(used)].filter((id) => session.secretIsInput?.(id) === true).sort();
  if (counted.length === 0) return digest;
  const parts = await Promise.all(
    counted.map(async (id) => {
      const secret = await session.secret(id, signal);
      if (secret === undefined) return [id];
      return [id, (await scrypt(secret, `${digest} ${id}`, 32, COST)).toString("hex")];
    }),
  );
  return digestOf(`slipway.secrets.v1:${JSON.stringify([digest, parts])}`);
}
