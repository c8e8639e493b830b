// Authorization of the in-memory registry: none, basic, or tokens of its own token server with scopes.

import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";

/** Who may do what. With `bearer`, `anonymousPull` lets everybody read; `identityToken` is taken instead of the password. */
export type RegistryAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | {
      readonly kind: "bearer";
      readonly username: string;
      readonly password: string;
      readonly identityToken?: string;
      readonly anonymousPull?: boolean;
      /** Seconds; defaults to 300. */
      readonly expiresIn?: number;
    };

export class TokenServer {
  readonly #auth: RegistryAuth;
  readonly #tokens = new Map<string, Set<string>>();
  #issued = 0;

  constructor(auth: RegistryAuth) {
    this.#auth = auth;
  }

  revokeAll(): void {
    this.#tokens.clear();
  }

  /** The challenge for a request that is not authorized; undefined for one that is. */
  check(
    authorization: string | undefined,
    host: string,
    repository: string | undefined,
    method: string,
  ): string | undefined {
    const auth = this.#auth;
    if (auth.kind === "none") return undefined;
    if (auth.kind === "basic") return this.#isUser(authorization) ? undefined : `Basic realm="memory"`;
    const action = method === "GET" || method === "HEAD" ? "pull" : "push";
    const scope = repository === undefined ? "" : `repository:${repository}:${action}`;
    const granted = this.#tokens.get(/^Bearer (.+)$/.exec(authorization ?? "")?.[1] ?? "");
    if (granted !== undefined && (scope === "" || granted.has(scope))) return undefined;
    const error =
      authorization === undefined ? "" : `,error="${granted === undefined ? "invalid_token" : "insufficient_scope"}"`;
    return `Bearer realm="http://${host}/token",service="memory"${scope === "" ? "" : `,scope="${scope}"`}${error}`;
  }

  /** The token endpoint, GET and POST. */
  serve(
    request: { readonly method: string; readonly authorization: string | undefined },
    url: URL,
    body: Uint8Array,
    response: ServerResponse,
  ): void {
    const auth = this.#auth;
    const form = new URLSearchParams(Buffer.from(body).toString("utf8"));
    const isPost = request.method === "POST";
    const isUser = isPost
      ? auth.kind === "bearer" && form.get("refresh_token") === auth.identityToken
      : this.#isUser(request.authorization);
    const isKnown = isUser || (!isPost && request.authorization === undefined);
    if (auth.kind !== "bearer" || !isKnown) {
      response.statusCode = 401;
      response.end(JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] }));
      return;
    }
    const scopes = (isPost ? (form.get("scope") ?? "").split(" ") : url.searchParams.getAll("scope")).flatMap(
      (each) => {
        const [type, name, actions = ""] = each.split(":");
        return actions.split(",").map((action) => `${type}:${name}:${action}`);
      },
    );
    const granted = scopes.filter((each) => isUser || (auth.anonymousPull === true && each.endsWith(":pull")));
    const token = createHash("sha256")
      .update(`${++this.#issued}`)
      .digest("base64url");
    this.#tokens.set(token, new Set(granted));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ [isPost ? "access_token" : "token"]: token, expires_in: auth.expiresIn ?? 300 }));
  }

  #isUser(authorization: string | undefined): boolean {
    const auth = this.#auth;
    if (auth.kind === "none") return true;
    return authorization === `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`;
  }
}
