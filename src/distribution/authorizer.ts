// Authorization headers for registries: none until asked, then what the challenge wants. Tokens are shared by repository, renewed
// before they end, and fetched once however many ask. Passwords go only to the registry, or to the token server it names.
// Spec: distribution token authentication (GET) and OAuth2 (POST) flows.

import { FlightControl, isBuildError } from "../base/index.ts";
import type { BuildError } from "../base/index.ts";
import { parseChallenges } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";
import type { Credential, Credentials } from "./credentials.ts";
import type { Endpoint } from "./endpoints.ts";
import { badAnswer } from "./errors.ts";
import { basicHeader, requestToken } from "./access-token.ts";
import type { HttpResponse, Transport } from "./transport.ts";

interface Authorization {
  readonly header: string;
  readonly expiresAtMs: number;
}

const MARGIN_MS = 10_000;
const DEFAULT_LIFE_S = 60;
const MAX_KNOWN = 1000;

export class Authorizer {
  readonly #transport: Transport;
  readonly #credentials: Credentials;
  readonly #now: () => number;
  readonly #known = new Map<string, Authorization>();
  readonly #failures = new Map<string, BuildError>();
  readonly #flights = new FlightControl<boolean>();

  constructor(transport: Transport, credentials: Credentials, now: () => number = Date.now) {
    this.#transport = transport;
    this.#credentials = credentials;
    this.#now = now;
  }

  /** The header known for an endpoint's repository, if any still counts. */
  header(endpoint: Endpoint, scope: string): string | undefined {
    const found = this.#known.get(this.#keyOf(endpoint, scope));
    return found !== undefined && found.expiresAtMs > this.#now() ? found.header : undefined;
  }

  /** Why credentials for an endpoint could not be had; requests went without them. */
  failure(endpoint: Endpoint): BuildError | undefined {
    return this.#failures.get(endpoint.host);
  }

  /**
   * Answers a 401: afterwards {@link header} has what the challenge wants. `used` is the header that was refused.
   * False when nothing can be done: no credentials, or refused ones.
   */
  async answer(
    endpoint: Endpoint,
    scope: string,
    refusal: { readonly response: HttpResponse; readonly used: string | undefined },
    signal?: AbortSignal,
  ): Promise<boolean> {
    const key = this.#keyOf(endpoint, scope);
    const challenges = parseChallenges(refusal.response.headers["www-authenticate"]);
    // Another request may have renewed the token meanwhile.
    const current = this.header(endpoint, scope);
    if (current !== undefined && current !== refusal.used) return true;
    if (current === refusal.used) this.#known.delete(key);
    return this.#flights.do(
      key,
      (shared) => this.#authorize(endpoint, scope, challenges, refusal.used, shared),
      signal,
    );
  }

  async #authorize(
    endpoint: Endpoint,
    scope: string,
    challenges: readonly Challenge[],
    used: string | undefined,
    signal: AbortSignal,
  ): Promise<boolean> {
    const bearer = challenges.find((each) => each.scheme === "bearer");
    if (bearer === undefined && !challenges.some((each) => each.scheme === "basic")) return false;
    const fetched = bearer && (await this.#fetchedElsewhere(endpoint, scope, bearer, signal));
    if (fetched !== undefined && fetched.header !== used) {
      this.#remember(this.#keyOf(endpoint, scope), fetched);
      return true;
    }
    const credential = await this.#credential(endpoint, signal);
    const found = bearer
      ? await this.#bearer(endpoint, scope, bearer, credential, signal)
      : credential?.kind === "basic"
        ? { header: basicHeader(credential), expiresAtMs: Infinity }
        : undefined;
    if (found === undefined || found.header === used) return false;
    this.#remember(this.#keyOf(endpoint, scope), found);
    return true;
  }

  #keyOf(endpoint: Endpoint, scope: string): string {
    return `${endpoint.base.origin} ${scope} ${this.#credentials.partition?.() ?? ""}`;
  }

  /** In a daemon clients come and go: what no longer counts is dropped once there is much of it. */
  #remember(key: string, found: Authorization): void {
    if (this.#known.size >= MAX_KNOWN) {
      const nowMs = this.#now();
      for (const [old, { expiresAtMs }] of this.#known) {
        if (expiresAtMs <= nowMs || this.#known.size >= MAX_KNOWN) this.#known.delete(old);
      }
    }
    this.#known.set(key, found);
  }

  async #credential(endpoint: Endpoint, signal: AbortSignal): Promise<Credential | undefined> {
    try {
      return await this.#credentials.lookup(hostOf(endpoint), signal);
    } catch (error) {
      // Most images need no credentials: a broken helper must not stop those. It is told if access is refused.
      if (!isBuildError(error)) throw error;
      this.#failures.set(endpoint.host, error);
      return undefined;
    }
  }

  /** A client that fetches tokens itself keeps its passwords. Where it can't, it is asked for them. */
  async #fetchedElsewhere(
    endpoint: Endpoint,
    scope: string,
    challenge: Challenge,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    if (this.#credentials.token === undefined) return undefined;
    const requestedAtMs = this.#now();
    try {
      const answer = await this.#credentials.token(
        {
          host: hostOf(endpoint),
          realm: realmOf(challenge, endpoint).toString(),
          service: challenge.parameters.get("service") ?? "",
          scopes: scopesOf(scope, challenge),
        },
        signal,
      );
      if (answer === undefined || !/^[\x21-\x7e]+$/.test(answer.token)) return undefined;
      const life = Math.max(answer.expiresInS, DEFAULT_LIFE_S);
      return { header: `Bearer ${answer.token}`, expiresAtMs: requestedAtMs + life * 1000 - MARGIN_MS };
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  async #bearer(
    endpoint: Endpoint,
    scope: string,
    challenge: Challenge,
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<Authorization | undefined> {
    if (credential?.kind === "bearer") return { header: `Bearer ${credential.token}`, expiresAtMs: Infinity };
    const realm = realmOf(challenge, endpoint);
    const scopes = scopesOf(scope, challenge);
    const service = challenge.parameters.get("service") ?? "";
    const found = await requestToken(
      this.#transport,
      { realm, service, scopes, clientId: "slipway", verifyTls: endpoint.verifyTls },
      { credential, signal, now: this.#now },
    );
    return found === undefined
      ? undefined
      : { header: `Bearer ${found.token}`, expiresAtMs: found.requestedAtMs + found.lifeS * 1000 - MARGIN_MS };
  }
}

function hostOf(endpoint: Endpoint): string {
  return endpoint.host === "registry-1.docker.io" ? "docker.io" : endpoint.host;
}

function scopesOf(scope: string, challenge: Challenge): string[] {
  return [...new Set([scope, ...(challenge.parameters.get("scope") ?? "").split(" ")])].filter(Boolean);
}

/** The token server's address; over plain http only where the registry itself is reached so. */
function realmOf(challenge: Challenge, endpoint: Endpoint): URL {
  let realm: URL;
  try {
    realm = new URL(challenge.parameters.get("realm") ?? "");
  } catch {
    throw badAnswer(`registry ${endpoint.host} names no valid token server`);
  }
  if (realm.protocol !== "https:" && !(realm.protocol === "http:" && endpoint.base.protocol === "http:")) {
    throw badAnswer(`registry ${endpoint.host} names a token server without https`);
  }
  realm.username = "";
  realm.password = "";
  return realm;
}
