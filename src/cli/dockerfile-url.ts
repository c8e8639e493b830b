// `-f https://…`: the Dockerfile is fetched by the command itself, before the build. Counterpart: docker/buildx build/url.go.

import { BuildError, isBuildError } from "../base/index.ts";
import { connectionFailure, publicUrl, Transport } from "../distribution/index.ts";

const MAX_BYTES = 2 * 1024 * 1024;

/** The file at a URL. @throws DOCKERFILE_UNREADABLE. */
export async function fetchDockerfile(text: string): Promise<Uint8Array> {
  const url = parseUrl(text);
  const headers = url.username === "" ? {} : { authorization: basic(url) };
  await using transport = new Transport({ retry: { attempts: 4 } });
  try {
    const response = await transport.send({ method: "GET", url, headers });
    if (response.status !== 200) {
      await response.discard();
      throw unreadable(url, `invalid response status ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      size += chunk.byteLength;
      if (size > MAX_BYTES) throw unreadable(url, "it is bigger than 2 MiB");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (isBuildError(error) && error.code === "DOCKERFILE_UNREADABLE") throw error;
    throw unreadable(url, connectionFailure(isBuildError(error) ? (error.cause ?? error) : error), error);
  }
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new BuildError(`invalid URL of a Dockerfile: ${text}`, {
    code: "DOCKERFILE_UNREADABLE",
    status: "InvalidArgument",
  });
}

function basic(url: URL): string {
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(user).toString("base64")}`;
}

function unreadable(url: URL, reason: string, cause?: unknown): BuildError {
  return new BuildError(`failed to read dockerfile ${publicUrl(url)}: ${reason}`, {
    code: "DOCKERFILE_UNREADABLE",
    status: "Unavailable",
    hint: "check the address, the network and the proxy settings, or give a local file with -f",
    cause,
  });
}
