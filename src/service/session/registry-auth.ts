// A client's answers about registries: credentials of its Docker config, and, for builders that ask that way, access tokens that are
// fetched here, so that no password leaves this machine. Counterpart: moby/buildkit session/auth/authprovider.

import { createHmac, createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { fetchAccessToken } from "../../distribution/index.ts";
import type { Credentials } from "../../distribution/index.ts";
import type { auth } from "../../formats/proto/index.ts";
import type { ServiceImplementation } from "../../system/rpc/index.ts";

/** Of a key in DER, before its 32 bytes. Spec: RFC 8410. */
const ED25519_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** Serves `moby.filesync.v1.Auth`. */
export function authService(credentials: Credentials): ServiceImplementation<typeof auth.Auth> {
  const seeds = new Map<string, Buffer>();

  // Builders tell clients with the same credentials by this key: they may share tokens.
  const authorityKey = async (host: string, salt: Uint8Array): Promise<KeyObject> => {
    const mac = createHmac("sha256", salt);
    if ((await credentials.lookup(host)) !== undefined) {
      const seed = seeds.get(host) ?? randomBytes(32);
      seeds.set(host, seed);
      mac.update(seed);
    }
    return createPrivateKey({ key: Buffer.concat([ED25519_PREFIX, mac.digest()]), format: "der", type: "pkcs8" });
  };

  return {
    async credentials({ Host }, { signal }) {
      const found = await credentials.lookup(Host, signal);
      if (found === undefined) return {};
      if (found.kind === "basic") return { Username: found.username, Secret: found.password };
      return { Secret: found.token };
    },
    async fetchToken({ Host, Realm, Service, Scopes, ClientID }, { signal }) {
      const credential = await credentials.lookup(Host, signal);
      if (credential?.kind === "bearer") return { Token: credential.token, ExpiresIn: 60n };
      const { token, lifeS, requestedAtMs } = await fetchAccessToken(
        { realm: Realm, service: Service, scopes: Scopes, clientId: ClientID || "buildkit-client" },
        { credential, signal },
      );
      return { Token: token, ExpiresIn: BigInt(lifeS), IssuedAt: BigInt(Math.floor(requestedAtMs / 1000)) };
    },
    async getTokenAuthority({ Host, Salt }) {
      const key = createPublicKey(await authorityKey(Host, Salt));
      const { x } = key.export({ format: "jwk" });
      return { PublicKey: Buffer.from(x!, "base64url") };
    },
    async verifyTokenAuthority({ Host, Salt, Payload }) {
      const signature = sign(null, Payload, await authorityKey(Host, Salt));
      // NaCl's form: the signature, then what was signed.
      return { Signed: Buffer.concat([signature, Payload]) };
    },
  };
}
