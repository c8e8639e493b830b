// One access token from a token server, by the flow that fits the credentials.
// Spec: distribution token authentication (GET) and OAuth2 (POST) flows.

import { badAnswer, publicUrl, serverMessage } from "./errors.ts";
import type { Credential } from "./credentials.ts";
import { readBody, Transport } from "./transport.ts";

export interface TokenQuestion {
  readonly realm: URL;
  readonly service: string;
  readonly scopes: readonly string[];
  readonly clientId: string;
  readonly verifyTls?: boolean;
}

export interface AccessToken {
  readonly token: string;
  /** Seconds from the request on. */
  readonly lifeS: number;
  readonly requestedAtMs: number;
}

export interface TokenOptions {
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
const DEFAULT_LIFE_S = 60;

/** Undefined where the server refuses the credentials. @throws BAD_ANSWER and what the transport throws. */
export async function requestToken(
  transport: Transport,
  question: TokenQuestion,
  { credential, signal, now = Date.now }: TokenOptions,
): Promise<AccessToken | undefined> {
  const { realm, service, scopes, clientId, verifyTls = true } = question;
  const requestedAtMs = now();
  const response =
    credential?.kind === "identity"
      ? await transport.send(
          {
            method: "POST",
            url: realm,
            headers: { "content-type": "application/x-www-form-urlencoded" },
            body: new URLSearchParams({
              grant_type: "refresh_token",
              service,
              client_id: clientId,
              scope: scopes.join(" "),
              refresh_token: credential.token,
            }).toString(),
            verifyTls,
          },
          signal,
        )
      : await transport.send(
          {
            method: "GET",
            url: withQuery(realm, [
              ...(service === "" ? [] : [["service", service]]),
              ...scopes.map((each) => ["scope", each]),
            ]),
            headers: credential?.kind === "basic" ? { authorization: basicHeader(credential) } : {},
            verifyTls,
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

/** The same for a client that fetches a token for a builder. @throws also where the server refuses. */
export async function fetchAccessToken(
  question: Omit<TokenQuestion, "realm"> & { readonly realm: string },
  options: TokenOptions,
): Promise<AccessToken> {
  const realm = URL.canParse(question.realm) ? new URL(question.realm) : undefined;
  const isLocal = realm !== undefined && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(realm.hostname);
  if (realm === undefined || !(realm.protocol === "https:" || (realm.protocol === "http:" && isLocal))) {
    throw badAnswer("the builder asks for a token from a server without https");
  }
  realm.username = "";
  realm.password = "";
  await using transport = new Transport();
  const found = await requestToken(transport, { ...question, realm }, options);
  if (found === undefined) throw badAnswer(`the token server ${publicUrl(realm)} refuses the credentials`);
  return found;
}

export function basicHeader({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function withQuery(url: URL, parameters: readonly (readonly string[])[]): URL {
  const copy = new URL(url);
  for (const [name, value] of parameters) copy.searchParams.append(name!, value!);
  return copy;
}

function readToken(body: Uint8Array, realm: URL, requestedAtMs: number): AccessToken {
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
  const lifeS = typeof seconds === "number" && seconds > DEFAULT_LIFE_S ? seconds : DEFAULT_LIFE_S;
  return { token, lifeS, requestedAtMs };
}
