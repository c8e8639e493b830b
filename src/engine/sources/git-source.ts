// Git repositories: a ref becomes a commit (that is the cache key), a commit a folder of files. One bare repository for each remote
// lives in the store and is pruned like anything else. Counterpart: moby/buildkit source/git/source.go.

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, FlightControl, digestOf, redact } from "../../base/index.ts";
import type { VertexProgress } from "../../graph/solver/index.ts";
import type { SourceRecords } from "../../storage/records/index.ts";
import type { CacheMounts, Ref, RefStore } from "../../storage/refs/index.ts";
import type { SessionPort } from "../ports/index.ts";
import { checkOut } from "./git-checkout.ts";
import { checkRef, gitCacheKey, gitHost, isCommit } from "./git-identifier.ts";
import type { GitIdentifier, GitResolved } from "./git-identifier.ts";
import { Git, remoteFailed } from "./git-process.ts";
import { GitRepository, initRepository } from "./git-repository.ts";

export interface GitSourceOptions {
  readonly refs: RefStore;
  readonly records: SourceRecords;
  /** Where the bare repositories are. */
  readonly repositories: CacheMounts;
  /** The state folder. */
  readonly root: string;
  /** This process's own folder. */
  readonly runDir: string;
}

/** Who asks: whose secrets and agents count, and where git's own words go. */
export interface GitAsker {
  readonly session: SessionPort;
  readonly progress?: VertexProgress;
  readonly signal: AbortSignal;
}

export class GitSource {
  readonly #o: GitSourceOptions;
  readonly #lookUps = new FlightControl<GitResolved>();
  readonly #checkouts = new FlightControl<string>();
  #count = 0;

  constructor(options: GitSourceOptions) {
    this.#o = options;
  }

  /**
   * What the ref is now; asks the server, unless the ref is a commit.
   *
   * @throws GIT_FAILED, GIT_MISSING, GIT_REF_NOT_FOUND, CHECKSUM_MISMATCH, INVALID_LLB, SSH_MISSING.
   */
  async resolve(id: GitIdentifier, asker: GitAsker): Promise<GitResolved> {
    if (isCommit(id.ref)) {
      if (!id.ref.startsWith(id.checksum)) throw wrongCommit(id.checksum, [id.ref]);
      return { ref: id.ref, hash: id.ref, tagged: undefined };
    }
    if (id.fetchByCommit) {
      if (!isCommit(id.checksum)) {
        throw new BuildError("fetch-by-commit requires a full commit hash as checksum", {
          code: "INVALID_LLB",
          status: "InvalidArgument",
        });
      }
      const ref = id.ref === "" || id.ref.startsWith("refs/") ? id.ref || id.checksum : `refs/heads/${id.ref}`;
      return { ref, hash: id.checksum, tagged: undefined };
    }
    const resolved = await this.#lookUps.do(
      JSON.stringify([asker.session.id, id.remote, id.ref, id.keepGitDir]),
      (signal) => this.#lookUp(id, { ...asker, signal }),
      asker.signal,
    );
    const hashes = [resolved.hash, ...(resolved.tagged === undefined ? [] : [resolved.tagged])];
    if (!hashes.some((hash) => hash.startsWith(id.checksum))) throw wrongCommit(id.checksum, hashes);
    return resolved;
  }

  /** The files as a ref, which the caller releases. @throws as `resolve`; COMMIT_NOT_FOUND, INVALID_SUBDIR. */
  async fetch(id: GitIdentifier, resolved: GitResolved, asker: GitAsker): Promise<Ref> {
    const { refs, records } = this.#o;
    const key = `git:${gitCacheKey(id, resolved)}:${id.subdir}`;
    for (const { ref: refId } of records.find(key)) {
      const ref = refs.load(refId);
      if (ref !== undefined) return ref;
      records.remove(key, refId);
    }
    const refId = await this.#checkouts.do(
      JSON.stringify([asker.session.id, id.remote, key]),
      (signal) => this.#make(id, resolved, key, { ...asker, signal }),
      asker.signal,
    );
    const ref = refs.load(refId);
    if (ref === undefined) throw new Error(`the checkout of ${redact(id.remote)} is gone at once`);
    return ref;
  }

  /** The commit's raw object. @throws as `fetch`. */
  commitObject(id: GitIdentifier, resolved: GitResolved, asker: GitAsker): Promise<Uint8Array> {
    return this.#withRepository(id, resolved, asker, (repository) =>
      repository.commitObject(resolved.hash, asker.signal),
    );
  }

  async #make(id: GitIdentifier, resolved: GitResolved, key: string, asker: GitAsker): Promise<string> {
    const { refs, records, runDir } = this.#o;
    return this.#withRepository(id, resolved, asker, async (repository) => {
      mkdirSync(runDir, { recursive: true, mode: 0o700 });
      const scratch = mkdtempSync(join(runDir, `git-${++this.#count}-`));
      const empty = refs.scratch();
      try {
        await using mutable = await refs.mutable(empty, asker.signal);
        await checkOut(repository, { id, resolved, target: mutable.path, scratch }, asker.signal);
        const description = `git snapshot for ${redact(id.remote)}#${resolved.ref}`;
        const ref = await mutable.commit({ description, type: "source.git.checkout" });
        records.put(key, { ref: ref.id, facts: {} });
        refs.release(ref);
        return ref.id;
      } finally {
        refs.release(empty);
        rmSync(scratch, { recursive: true, force: true });
      }
    });
  }

  async #lookUp(id: GitIdentifier, asker: GitAsker): Promise<GitResolved> {
    const git = await this.#git(id, asker);
    try {
      const ref = id.ref === "" || id.ref === "HEAD" ? await defaultBranch(git, id.remote, asker.signal) : id.ref;
      const listing = await git.run(["ls-remote", "--", id.remote, ref, `${ref}^{}`], {}, asker.signal);
      return pickRef(ref, listing.toString(), id.remote);
    } catch (error) {
      throw remoteFailed("failed to fetch remote", id.remote, error);
    }
  }

  /** Runs `work` on the remote's repository with the commit in it, while nobody else does. */
  async #withRepository<T>(
    id: GitIdentifier,
    resolved: GitResolved,
    asker: GitAsker,
    work: (repository: GitRepository) => Promise<T>,
  ): Promise<T> {
    const git = await this.#git(id, asker);
    using folder = await this.#o.repositories.acquire(
      {
        name: digestOf(`${resolved.hash.length} ${id.remote}`),
        sharing: "locked",
        description: `shared git repo for ${redact(id.remote)}`,
        seed: (path) => initRepository(git, path, resolved.hash, asker.signal),
      },
      asker.signal,
    );
    const repository = new GitRepository(git, folder, id.remote);
    await repository.ensure(resolved, asker.signal);
    if (id.checksum !== "") {
      const commit = await repository.commitOf(resolved.hash, asker.signal);
      if (![resolved.hash, commit].some((hash) => hash.startsWith(id.checksum)))
        throw wrongCommit(id.checksum, [resolved.hash]);
    }
    return await work(repository);
  }

  async #git(id: GitIdentifier, asker: GitAsker): Promise<Git> {
    const { root, runDir } = this.#o;
    const cwd = join(root, "git");
    mkdirSync(cwd, { recursive: true, mode: 0o711 });
    return new Git({
      cwd,
      config: [["remote.origin.url", id.remote], ...(await authorization(id, asker))],
      sshAgent: await agentOf(id, asker.session),
      knownHosts: knownHostsFile(id, runDir),
      metHosts: join(root, "git-known-hosts"),
      onLine: (line) => asker.progress?.log(2, Buffer.from(`${line}\n`)),
      onReceived: (current) => asker.progress?.status(`receiving ${redact(id.remote)}`, { current }),
    });
  }
}

async function agentOf({ sshAgent: id }: GitIdentifier, session: SessionPort): Promise<string | undefined> {
  if (id === "") return undefined;
  const socket = await session.sshAgent(id);
  if (socket !== undefined) return socket;
  throw new BuildError(`no SSH key ${JSON.stringify(id)} forwarded from the client`, {
    code: "SSH_MISSING",
    status: "NotFound",
    hint: `forward an agent with --ssh ${id} (SSH_AUTH_SOCK must be set), or a key with --ssh ${id}=FILE`,
  });
}

/** A file of the known hosts that came with the source; they are public keys. */
function knownHostsFile({ knownSshHosts }: GitIdentifier, runDir: string): string | undefined {
  if (knownSshHosts === "") return undefined;
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const path = join(runDir, `known-hosts-${createHash("sha256").update(knownSshHosts).digest("hex").slice(0, 16)}`);
  writeFileSync(path, knownSshHosts.endsWith("\n") ? knownSshHosts : `${knownSshHosts}\n`, { mode: 0o600 });
  return path;
}

/** A header of the session for this remote, as git's config; for github.com it serves all repositories there, as in BuildKit. */
async function authorization(id: GitIdentifier, { session, signal }: GitAsker): Promise<[string, string][]> {
  const host = gitHost(id.remote);
  if (host === undefined || !/^https?:/i.test(id.remote)) return [];
  const names = [
    ...(id.authHeaderSecret === "" ? [] : [{ name: `${id.authHeaderSecret}.${host}`, isToken: false }]),
    ...(id.authTokenSecret === "" ? [] : [{ name: `${id.authTokenSecret}.${host}`, isToken: true }]),
    ...(id.authHeaderSecret === "" ? [] : [{ name: id.authHeaderSecret, isToken: false }]),
    ...(id.authTokenSecret === "" ? [] : [{ name: id.authTokenSecret, isToken: true }]),
  ];
  for (const { name, isToken } of names) {
    const bytes = await session.secret(name, signal);
    if (bytes === undefined) continue;
    const text = Buffer.from(bytes).toString("utf8").trim();
    const value = isToken ? `basic ${Buffer.from(`x-access-token:${text}`).toString("base64")}` : text;
    const scope = /^https:\/\/(www\.)?github\.com\//.exec(id.remote)?.[0] ?? id.remote;
    return [[`http.${scope}.extraheader`, `Authorization: ${value}`]];
  }
  return [];
}

async function defaultBranch(git: Git, remote: string, signal: AbortSignal): Promise<string> {
  const listing = (await git.run(["ls-remote", "--symref", "--", remote, "HEAD"], {}, signal)).toString();
  const branch = /^ref: refs\/heads\/(\S+)\s+HEAD$/m.exec(listing)?.[1];
  if (branch === undefined) {
    throw new BuildError(`could not find default branch for repository: ${redact(remote)}`, {
      code: "GIT_REF_NOT_FOUND",
      status: "NotFound",
      hint: "name a branch, tag or commit after the URL: #REF",
    });
  }
  checkRef(branch);
  return branch;
}

/** Branches before tags, exact names only. @throws GIT_REF_NOT_FOUND. */
function pickRef(ref: string, listing: string, remote: string): GitResolved {
  const hashes = new Map<string, string>();
  for (const line of listing.split("\n")) {
    const [hash = "", name = ""] = line.split("\t");
    if (isCommit(hash)) hashes.set(name, hash);
  }
  const partial = `refs/${ref.replace(/^refs\//, "")}`;
  const head = `refs/heads/${ref.replace(/^refs\/heads\//, "")}`;
  const tag = `refs/tags/${ref.replace(/^refs\/tags\//, "")}`;
  for (const name of [partial, head, tag]) {
    const hash = hashes.get(name);
    if (hash === undefined) continue;
    // Only a tag that was found as such says which commit it stands for.
    return { ref: name, hash, tagged: hashes.get(`${name}^{}`) };
  }
  const isShort = /^[0-9a-f]{4,39}$/.test(ref);
  throw new BuildError(`repository ${redact(remote)} does not contain ref ${ref}`, {
    code: "GIT_REF_NOT_FOUND",
    status: "NotFound",
    hint: isShort ? "a commit is named by its whole hash" : "check the name of the branch, tag or commit",
  });
}

function wrongCommit(expected: string, got: readonly string[]): BuildError {
  return new BuildError(`expected checksum to match ${expected}, got ${got.join(" or ")}`, {
    code: "CHECKSUM_MISMATCH",
    status: "FailedPrecondition",
    hint: "the ref is not the commit that the checksum names: find out why, then give the new one",
  });
}
