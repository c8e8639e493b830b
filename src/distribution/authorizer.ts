// Authorization headers for registries: none until asked, then what the challenge wants. Tokens are shared by repository, renewed
// before they end, and fetched once however many ask. Passwords go only to the registry, or to the token server it names.
// Spec: distribution token authentication (GET) and OAuth2 (POST) flows.

import { FlightControl, isBuildError } from "../base/index.ts";
import type { BuildError } from "../base/index.ts";
import { parseChallenges } from "./challenge.ts";
import type { Challenge } from "./challenge.ts";
import type { Credential, Credentials } from "./credentials.ts";
import type { Endpoint } from "./endpoints.ts";
import { badAnswer, publicUrl, serverMessage } from "./errors.ts";
import { readBody } from "./transport.ts";
import type { HttpResponse, Transport } from "./transport.ts";

interface Authorization {
  readonly header: string;
  readonly expiresAtMs: number;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
const MARGIN_MS = 10_000;
const DEFAULT_LIFE_S = 60;

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
    const found = this.#known.get(keyOf(endpoint, scope));
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
    const key = keyOf(endpoint, scope);
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
    const credential = await this.#credential(endpoint, signal);
    const found = bearer
      ? await this.#bearer(endpoint, scope, bearer, credential, signal)
      : credential?.kind === "basic"
        ? { header: basic(credential), expiresAtMs: Infinity }
        : undefined;
    if (found === undefined || found.header === used) return false;
    this.#known.set(keyOf(endpoint, scope), found);
    return true;
  }

  async #credential(endpoint: Endpoint, signal: AbortSignal): Promise<Credential | undefined> {
    const host = endpoint.host === "registry-1.docker.io" ? "docker.io" : endpoint.host;
    try {
      return await this.#credentials.lookup(host, signal);
    } catch (error) {
      // Most images need no credentials: a broken helper must not stop those. It is told if access is refused.
      if (!isBuildError(error)) throw error;
      this.#failures.set(endpoint.host, error);
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
    const scopes = [...new Set([scope, ...(challenge.parameters.get("scope") ?? "").split(" ")])].filter(Boolean);
    const service = challenge.parameters.get("service") ?? "";
    const requestedAtMs = this.#now();
    const response =
      credential?.kind === "identity"
        ? await this.#transport.send(
            {
              method: "POST",
              url: realm,
              headers: { "content-type": "application/x-www-form-urlencoded" },
              body: new URLSearchParams({
                grant_type: "refresh_token",
                service,
                client_id: "slipway",
                scope: scopes.join(" "),
                refresh_token: credential.token,
              }).toString(),
              verifyTls: endpoint.verifyTls,
            },
            signal,
          )
        : await this.#transport.send(
            {
              method: "GET",
              url: withQuery(realm, [
                ...(service === "" ? [] : [["service", service]]),
                ...scopes.map((each) => ["scope", each]),
              ]),
              headers: credential === undefined ? {} : { authorization: basic(credential) },
              verifyTls: endpoint.verifyTls,
            },
            signal,
          );
    const body = await readBody(response, MAX_TOKEN_BYTES);
    if (response.status === 401 || response.status === 403) return undefined;
    if (response.status !== 200) {
      const said = serverMessage(body);
      throw badAnswer(
        `failed to fetch a token: unexpected status from ${publicUrl(realm)}: ${response.status}${said === "" ? "" : `: ${said}`}`,
      );
    }
    return readToken(body, realm, requestedAtMs);
  }
}

function keyOf(endpoint: Endpoint, scope: string): string {
  return `${endpoint.base.origin} ${scope}`;
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
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

function withQuery(url: URL, parameters: readonly (readonly string[])[]): URL {
  const copy = new URL(url);
  for (const [name, value] of parameters) copy.searchParams.append(name!, value!);
  return copy;
}

function readToken(body: Uint8Array, realm: URL, requestedAtMs: number): Authorization {
  let answer: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown };
  try {
    answer = JSON.parse(Buffer.from(body).toString("utf8")) as typeof answer;
  } catch {
    throw badAnswer(`the token server ${publicUrl(realm)} did not answer in JSON`);
  }
  const token = answer?.token || answer?.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw badAnswer(`the token server ${publicUrl(realm)} sent no token`);
  }
  const { expires_in: seconds } = answer;
  const life = typeof seconds === "number" && seconds > DEFAULT_LIFE_S ? seconds : DEFAULT_LIFE_S;
  return { header: `Bearer ${token}`, expiresAtMs: requestedAtMs + life * 1000 - MARGIN_MS };
}
