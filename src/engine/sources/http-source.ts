// Files from the web: streamed into a layer of their own while they are hashed, remembered with the server's ETag and Last-Modified,
// and asked for again with both, so that what did not change is not sent again. Nothing but http(s) is ever followed.
// Counterpart: moby/buildkit source/http/source.go. Differs: one conditional GET where BuildKit sends HEAD and then GET; answers
// without an ETag are revalidated by their date; connections that break are tried again.

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { BuildError, FlightControl, isBuildError } from "../../base/index.ts";
import { connectionFailure, headerOf, isPassing, publicUrl } from "../../distribution/index.ts";
import type { HttpResponse, Transport } from "../../distribution/index.ts";
import { decompress } from "../../formats/archive/index.ts";
import type { VertexProgress } from "../../graph/solver/index.ts";
import type { SourceRecord, SourceRecords } from "../../storage/records/index.ts";
import type { Ref, RefStore } from "../../storage/refs/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { badStatus, brokenDownload, unwritable, wrongChecksum } from "./http-errors.ts";
import { httpFilename, httpRecordKey, httpTimeMs } from "./http-identifier.ts";
import type { HttpIdentifier } from "./http-identifier.ts";

export interface HttpSourceOptions {
  readonly refs: RefStore;
  readonly records: SourceRecords;
  readonly transport: Transport;
}

/** Who asks: whose secrets and uploads count, and where progress goes. */
export interface HttpAsker {
  readonly session: SessionPort;
  readonly progress?: VertexProgress;
  readonly signal: AbortSignal;
}

/** What a URL gives now. */
export interface HttpFile {
  readonly filename: string;
  /** `sha256:…`, or the checksum that was asked for. */
  readonly checksum: string;
  /** As the server sent it. */
  readonly lastModified: string | undefined;
  /** The ref that holds the file; undefined where nothing was fetched. It is not held: it may be gone when it is used. */
  readonly refId: string | undefined;
}

/** The host whose files the session sends: a context from standard input. */
const SESSION_HOST = "buildkit-session";

export class HttpSource {
  readonly #o: HttpSourceOptions;
  readonly #flights = new FlightControl<HttpFile>();

  constructor(options: HttpSourceOptions) {
    this.#o = options;
  }

  /**
   * What the URL gives; asks the server, unless a checksum tells already.
   *
   * @throws HTTP_STATUS, HTTP_UNREACHABLE, HTTP_BROKEN, CHECKSUM_MISMATCH, SECRET_MISSING.
   */
  async resolve(id: HttpIdentifier, asker: HttpAsker): Promise<HttpFile> {
    if (id.checksum !== undefined) {
      const filename = httpFilename(id, undefined);
      return { filename, checksum: id.checksum, lastModified: undefined, refId: undefined };
    }
    return this.#flights.do(
      `${asker.session.id} ${httpRecordKey(id)}`,
      (signal) => this.#ask(id, { ...asker, signal }),
      asker.signal,
    );
  }

  /** The file as a ref, which the caller releases; `known` is what `resolve` said. @throws as `resolve`. */
  async fetch(id: HttpIdentifier, known: HttpFile, asker: HttpAsker): Promise<Ref> {
    const { refs, records } = this.#o;
    const key = httpRecordKey(id);
    const same = records.find(key).filter(({ facts }) => checksumsOf(facts).includes(known.checksum));
    for (const refId of [...(known.refId === undefined ? [] : [known.refId]), ...same.map(({ ref }) => ref)]) {
      const ref = refs.load(refId);
      if (ref !== undefined) return ref;
      records.remove(key, refId);
    }
    const made = await this.#flights.do(
      `${asker.session.id} ${key} ${known.checksum}`,
      (signal) => this.#retrying(id, [], { ...asker, signal }, known.checksum),
      asker.signal,
    );
    const ref = made.refId === undefined ? undefined : refs.load(made.refId);
    if (ref === undefined) throw new Error(`the ref of ${id.url} is gone at once`);
    return ref;
  }

  #ask(id: HttpIdentifier, asker: HttpAsker): Promise<HttpFile> {
    const key = httpRecordKey(id);
    const kept = this.#o.records.find(key).filter((record) => {
      const isThere = this.#o.refs.exists(record.ref);
      if (!isThere) this.#o.records.remove(key, record.ref);
      return isThere;
    });
    return this.#retrying(id, kept, asker, undefined);
  }

  async #retrying(
    id: HttpIdentifier,
    kept: readonly SourceRecord[],
    asker: HttpAsker,
    expected: string | undefined,
  ): Promise<HttpFile> {
    const { transport } = this.#o;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(id, kept, asker, expected);
      } catch (error) {
        asker.signal.throwIfAborted();
        const mayPass = isBuildError(error) ? error.retryable : isPassing(error);
        if (!mayPass || attempt >= transport.attempts) {
          if (isBuildError(error)) throw error;
          throw brokenDownload(id.url, connectionFailure(error), error);
        }
      }
      await transport.pause(attempt + 1, asker.signal);
    }
  }

  async #attempt(
    id: HttpIdentifier,
    kept: readonly SourceRecord[],
    asker: HttpAsker,
    expected: string | undefined,
  ): Promise<HttpFile> {
    if (URL.canParse(id.url) && new URL(id.url).host === SESSION_HOST) return this.#upload(id, asker, expected);
    const response = await this.#send(id, kept, asker);
    const etag = weakless(headerOf(response, "etag"));
    const known =
      response.status === 304
        ? (kept.find(({ facts }) => facts["etag"] !== undefined && facts["etag"] === etag) ?? onlyOne(kept, etag))
        : // A server that ignores the question but says the same ETag has nothing new: its body is cut off.
          kept.find(({ facts }) => etag !== undefined && facts["etag"] === etag && response.status === 200);
    const filename = httpFilename(id, headerOf(response, "content-disposition"));
    if (known !== undefined && (known.facts["filename"] === filename || response.status === 304)) {
      await response.discard();
      const { facts, ref } = known;
      const name = response.status === 304 && headerOf(response, "content-disposition") === undefined;
      return {
        filename: name ? (facts["filename"] ?? filename) : filename,
        checksum: facts["sha256"]!,
        lastModified: facts["modified"],
        refId: ref,
      };
    }
    if (response.status < 200 || response.status >= 300) {
      await response.discard();
      throw badStatus(id.url, response.status);
    }
    const lengthText = headerOf(response, "content-length");
    const isGzip = headerOf(response, "content-encoding")?.toLowerCase() === "gzip";
    const modified = headerOf(response, "last-modified");
    return this.#store(id, asker, {
      filename,
      body: isGzip ? decompress(Readable.from(response.body), "gzip") : response.body,
      totalBytes: isGzip || lengthText === undefined ? undefined : Number(lengthText),
      expected,
      facts: { ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { modified }) },
    });
  }

  async #send(id: HttpIdentifier, kept: readonly SourceRecord[], asker: HttpAsker): Promise<HttpResponse> {
    const url = new URL(id.url);
    const headers: Record<string, string> = { "accept-encoding": "gzip" };
    for (const { Name, Value } of id.headers) headers[Name.toLowerCase()] = Value;
    const authorization = await authorizationOf(id, url, asker);
    if (authorization !== undefined) headers["authorization"] = authorization;
    const etags = kept.flatMap(({ facts }) => facts["etag"] ?? []);
    if (etags.length > 0) headers["if-none-match"] = [...new Set(etags)].join(", ");
    else if (kept[0]?.facts["modified"] !== undefined) headers["if-modified-since"] = kept[0].facts["modified"];
    url.username = "";
    url.password = "";
    return this.#o.transport.send({ method: "GET", url, headers, once: true }, asker.signal);
  }

  async #upload(id: HttpIdentifier, asker: HttpAsker, expected: string | undefined): Promise<HttpFile> {
    const body = asker.session.upload?.(new URL(id.url).pathname.slice(1));
    if (body === undefined) {
      throw new BuildError("the build's session has nothing to send for this context", {
        code: "UPLOAD_MISSING",
        status: "NotFound",
        hint: "run the build again: what came from standard input is read only once",
      });
    }
    return this.#store(id, asker, { filename: httpFilename(id, undefined), body, expected, facts: undefined });
  }

  async #store(id: HttpIdentifier, asker: HttpAsker, file: Download): Promise<HttpFile> {
    const { refs, records } = this.#o;
    const scratch = refs.scratch();
    try {
      await using mutable = await refs.mutable(scratch, asker.signal);
      const path = join(mutable.path, file.filename);
      const { sha256, other } = await this.#write(path, id, asker, file);
      const expected = file.expected;
      if (expected !== undefined && expected !== sha256 && expected !== other) {
        throw wrongChecksum(id.url, expected.startsWith("sha256:") ? sha256 : other!, expected);
      }
      const ref = await mutable.commit({ description: `http url ${shown(id.url)}` });
      try {
        if (file.facts !== undefined) {
          const facts = { ...file.facts, filename: file.filename, sha256, ...(other === undefined ? {} : { other }) };
          records.put(httpRecordKey(id), { ref: ref.id, facts });
        }
        return {
          filename: file.filename,
          checksum: expected ?? sha256,
          lastModified: file.facts?.["modified"],
          refId: ref.id,
        };
      } finally {
        refs.release(ref);
      }
    } finally {
      refs.release(scratch);
    }
  }

  async #write(
    path: string,
    id: HttpIdentifier,
    { progress, signal }: HttpAsker,
    { body, totalBytes, expected, filename, facts }: Download,
  ): Promise<{ sha256: string; other: string | undefined }> {
    const sha256 = createHash("sha256");
    const algorithm = expected?.slice(0, expected.indexOf(":")) ?? "sha256";
    const other = algorithm === "sha256" ? undefined : createHash(algorithm);
    const status = `downloading ${filename}`;
    const total = totalBytes === undefined || !Number.isSafeInteger(totalBytes) ? {} : { total: totalBytes };
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600).catch((error: unknown) => {
      throw unwritable(error, id.url);
    });
    try {
      let current = 0;
      let toldMs = 0;
      for await (const chunk of body) {
        signal.throwIfAborted();
        sha256.update(chunk);
        other?.update(chunk);
        await handle.writeFile(chunk).catch((error: unknown) => {
          throw unwritable(error, id.url);
        });
        current += chunk.byteLength;
        if (Date.now() - toldMs < 100) continue;
        toldMs = Date.now();
        progress?.status(status, { current, ...total });
      }
      progress?.status(status, { current, ...total, completed: true });
      if (id.uid !== 0 || id.gid !== 0) await handle.chown(id.uid, id.gid);
      await handle.chmod(id.perm === 0 ? 0o600 : id.perm & 0o777);
      const seconds = ((facts?.["modified"] === undefined ? undefined : httpTimeMs(facts["modified"])) ?? 0) / 1000;
      await handle.utimes(seconds, seconds);
    } finally {
      await handle.close();
    }
    return {
      sha256: `sha256:${sha256.digest("hex")}`,
      other: other === undefined ? undefined : `${algorithm}:${other.digest("hex")}`,
    };
  }
}

interface Download {
  readonly filename: string;
  readonly body: AsyncIterable<Uint8Array>;
  readonly totalBytes?: number | undefined;
  /** What the content must be. */
  readonly expected: string | undefined;
  /** What to ask the server again with; undefined for what is not asked for again. */
  readonly facts: Readonly<Record<string, string>> | undefined;
}

/** A secret of the session, else the URL's own user. */
async function authorizationOf(
  id: HttpIdentifier,
  url: URL,
  { session, signal }: HttpAsker,
): Promise<string | undefined> {
  const text = async (name: string) => {
    const bytes = await session.secret(name, signal);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8").trim();
  };
  if (id.authHeaderSecret !== "") {
    const value = await text(id.authHeaderSecret);
    if (value !== undefined) return value;
    throw new BuildError(`failed to retrieve HTTP auth secret ${id.authHeaderSecret}: not found`, {
      code: "SECRET_MISSING",
      status: "NotFound",
      hint: `pass it with --secret id=${id.authHeaderSecret},src=FILE`,
    });
  }
  const token = await text(`HTTP_AUTH_TOKEN_${url.hostname}`);
  if (token !== undefined) return `Bearer ${token}`;
  const header = await text(`HTTP_AUTH_HEADER_${url.hostname}`);
  if (header !== undefined) return header;
  if (url.username === "" && url.password === "") return undefined;
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(user).toString("base64")}`;
}

/** A 304 without an ETag speaks of the only thing that was asked about. */
function onlyOne(kept: readonly SourceRecord[], etag: string | undefined): SourceRecord | undefined {
  const asked = kept.filter(({ facts }) => facts["etag"] !== undefined);
  if (etag !== undefined && asked.length > 0) return undefined;
  return asked.length === 1 ? asked[0] : asked.length === 0 ? kept[0] : undefined;
}

function checksumsOf(facts: SourceRecord["facts"]): (string | undefined)[] {
  return [facts["sha256"], facts["other"]];
}

function weakless(etag: string | undefined): string | undefined {
  return etag === undefined || etag === "" ? undefined : etag.replace(/^W\//, "");
}

function shown(url: string): string {
  return URL.canParse(url) ? publicUrl(new URL(url)) : url;
}
