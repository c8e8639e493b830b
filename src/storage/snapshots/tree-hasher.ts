// The content hash of parts of a tree: what cache keys are made of where definitions are not enough. A path is resolved with
// links kept inside the tree; a folder's digest covers its header and its children's digests, so equal folders are equal
// wherever they are. Folders are listed when first needed and every digest is computed once per hasher.
// Counterpart: moby/buildkit cache/contenthash/checksum.go.

import { BuildError, type ByteString, byteString, type Digest, digestOf, textOf } from "../../base/index.ts";
import { type MatchInfo, PatternMatcher } from "../../formats/patterns/index.ts";
import { directContext, type JobContext, throwIfAborted } from "../../system/workers/index.ts";
import { listDigest } from "./entry-digest.ts";
import { hasWildcards, matchPath } from "./path-match.ts";

export type NodeKind = "dir" | "symlink" | "other";

/** A tree that can be hashed; paths are relative to its root and without links, "" is the root. */
export interface HashableTree {
  /** Children in byte order of their names. */
  list(dir: ByteString): readonly { readonly name: ByteString; readonly kind: NodeKind }[];
  readLink(path: ByteString): ByteString;
  /** Digest of a file or link, or of a folder's header. */
  digest(path: ByteString, context?: JobContext): Digest;
}

export interface HashRequest {
  /** Absolute or relative path in the tree; a trailing slash leaves out the folder's own header where patterns are used. */
  readonly path: string;
  readonly followLinks?: boolean | undefined;
  /** The path is a pattern of Go's path.Match. */
  readonly wildcard?: boolean | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  /** At least one path of the result must begin with each of these. */
  readonly requiredPaths?: readonly string[] | undefined;
  /** As BuildKit before 0.26 put the digests of what patterns select together. */
  readonly older?: boolean | undefined;
}

interface TreeNode {
  readonly name: ByteString;
  readonly path: ByteString;
  readonly kind: NodeKind;
  readonly parent: TreeNode | undefined;
  children: Map<ByteString, TreeNode> | undefined;
  link: ByteString | undefined;
  digest: Digest | undefined;
  contentDigest: Digest | undefined;
}

const MAX_LINKS = 255;

export class TreeHasher {
  readonly #tree: HashableTree;
  #context: JobContext = directContext();
  readonly #root = newNode("", "", "dir", undefined);

  constructor(tree: HashableTree) {
    this.#tree = tree;
  }

  /**
   * The digest of what a request selects; of nothing where patterns select nothing.
   *
   * @throws NOT_FOUND (`"/x": not found`), TOO_MANY_LINKS, BAD_PATTERN; what the tree throws.
   */
  hash(request: HashRequest, context: JobContext = directContext()): Digest {
    this.#context = context;
    const { path, wildcard, includePatterns = [], excludePatterns = [] } = request;
    if (!wildcard && includePatterns.length === 0 && excludePatterns.length === 0) {
      return this.#plain(cleanPath(byteString(path)), request.followLinks ?? false);
    }
    return new Selection(this, request).digest();
  }

  /** Digest of one path, a folder with all it holds. */
  plain(path: ByteString, followLinks: boolean): Digest {
    return this.#plain(path, followLinks);
  }

  #plain(path: ByteString, followLinks: boolean): Digest {
    const node = this.resolve(path, followLinks);
    if (node === undefined) throw notFound(textOf(path));
    return this.contentDigest(node);
  }

  /** What is at an absolute clean path ("" for the root). */
  resolve(path: ByteString, followLast: boolean): TreeNode | undefined {
    let rest = path;
    let at: TreeNode | undefined = this.#root;
    // Where a name is missing, `..` may still lead back: the position is kept as text too.
    let position = "";
    let links = 0;
    while (rest !== "") {
      const slash = rest.indexOf("/");
      const part: string = slash < 0 ? rest : rest.slice(0, slash);
      rest = slash < 0 ? "" : rest.slice(slash + 1);
      if (part === "" || part === ".") continue;
      if (part === "..") {
        position = position.slice(0, Math.max(0, position.lastIndexOf("/")));
        at = this.#lookup(position);
        continue;
      }
      const next: TreeNode | undefined = at?.kind === "dir" ? this.children(at).get(part) : undefined;
      if (next?.kind === "symlink" && (followLast || rest !== "")) {
        if (++links > MAX_LINKS) throw tooManyLinks();
        next.link ??= this.#tree.readLink(next.path);
        rest = `${next.link}/${rest}`;
        if (next.link.startsWith("/")) {
          at = this.#root;
          position = "";
        }
        continue;
      }
      at = next;
      position = `${position}/${part}`;
    }
    return at;
  }

  #lookup(path: ByteString): TreeNode | undefined {
    let at: TreeNode | undefined = this.#root;
    for (const part of path.split("/")) {
      if (part !== "") at = at?.kind === "dir" ? this.children(at).get(part) : undefined;
    }
    return at;
  }

  get root(): TreeNode {
    return this.#root;
  }

  children(node: TreeNode): Map<ByteString, TreeNode> {
    if (node.children !== undefined) return node.children;
    const children = new Map<ByteString, TreeNode>();
    for (const { name, kind } of this.#tree.list(node.path)) {
      children.set(name, newNode(name, node.path === "" ? name : `${node.path}/${name}`, kind, node));
    }
    node.children = children;
    return children;
  }

  /** Digest of a file or link, or of a folder's header. */
  headerDigest(node: TreeNode): Digest {
    if (node.digest === undefined) {
      throwIfAborted(this.#context);
      node.digest = this.#tree.digest(node.path, this.#context);
    }
    return node.digest;
  }

  contentDigest(node: TreeNode): Digest {
    if (node.kind !== "dir") return this.headerDigest(node);
    node.contentDigest ??= listDigest(this.#folderParts(node));
    return node.contentDigest;
  }

  *#folderParts(node: TreeNode): Generator<string> {
    yield "\0";
    yield this.headerDigest(node);
    for (const child of this.children(node).values()) {
      yield `\0${child.name}`;
      yield this.contentDigest(child);
    }
  }
}

interface Found {
  /** As asked for: under the path given, not where links led. */
  readonly path: string;
  readonly node: TreeNode;
  included: boolean;
  include: MatchInfo | undefined;
  exclude: MatchInfo | undefined;
  followLinks: boolean;
}

/** One evaluation of a request with patterns. */
class Selection {
  readonly #hasher: TreeHasher;
  readonly #request: HashRequest;
  /** The request's path as a clean key: "" or `/…`. */
  readonly #path: string;
  readonly #endsInSlash: boolean;
  readonly #include: PatternMatcher | undefined;
  readonly #exclude: PatternMatcher | undefined;
  readonly #result: Found[] = [];
  /** Folder headers above the current path. */
  readonly #above: Found[] = [];
  readonly #pruneBy: readonly string[] | undefined;
  #lastMatchedDir = "";

  constructor(hasher: TreeHasher, request: HashRequest) {
    this.#hasher = hasher;
    this.#request = request;
    this.#endsInSlash = request.path.endsWith("/");
    this.#path = cleanPath(request.path);
    if (request.includePatterns?.length) this.#include = new PatternMatcher(request.includePatterns);
    if (request.excludePatterns?.length) this.#exclude = new PatternMatcher(request.excludePatterns);
    // A class may hold a slash, so only patterns without one can be cut into elements.
    if (request.wildcard && !this.#path.includes("[") && !this.#path.includes("\\"))
      this.#pruneBy = this.#path.split("/");
  }

  digest(): Digest {
    const prefix = this.#walk();
    for (const required of this.#request.requiredPaths ?? []) {
      if (!this.#result.some((found) => found.path.startsWith(required))) throw notFound(required);
    }
    const [only] = this.#result;
    if (only === undefined) return digestOf("");
    if (this.#result.length === 1 && baseName(this.#request.path) === baseName(only.path)) return this.#digestOf(only);
    return listDigest(this.#request.older === true ? this.#olderParts() : this.#parts(prefix));
  }

  /** Names alone, with a separator between: what moby/buildkit 940330210 put an end to. */
  *#olderParts(): Generator<string> {
    for (const [at, found] of this.#result.entries()) {
      if (at > 0) yield "\0";
      yield byteString(baseName(found.path));
      yield this.#digestOf(found);
    }
  }

  *#parts(prefix: string): Generator<string> {
    for (const found of this.#result) {
      const path = found.path.startsWith(prefix) ? found.path.slice(prefix.length) : found.path;
      yield path === "" ? "\0" : byteString(path.replaceAll("/", "\0"));
      yield this.#digestOf(found);
    }
  }

  #digestOf({ node, followLinks, path }: Found): Digest {
    if (followLinks && node.kind === "symlink") return this.#hasher.plain(byteString(path), true);
    return this.#hasher.headerDigest(node);
  }

  /** Collects what is included; the part of the path before any wildcard is returned. */
  #walk(): string {
    let prefix = this.#path;
    let start: TreeNode | undefined;
    if (this.#request.wildcard) {
      const parts = this.#path.split("/");
      const first = parts.findIndex(hasWildcards);
      const plain = cleanPath(parts.slice(0, first < 0 ? parts.length : first).join("/"));
      prefix = plain;
      start = plain === "" ? this.#hasher.root : this.#hasher.resolve(byteString(plain), first >= 0);
    } else {
      start = this.#hasher.resolve(byteString(prefix), false);
    }
    if (start !== undefined) this.#visit(start, prefix);
    return prefix;
  }

  #visit(node: TreeNode, path: string): void {
    const found: Found = {
      path,
      node,
      included: false,
      include: undefined,
      exclude: undefined,
      followLinks: this.#above.length === 0 && this.#request.followLinks === true,
    };
    const skipHeader = node.kind === "dir" && path === this.#path && this.#endsInSlash;
    let entered = false;
    // Asked even where the header does not count: it settles which folder a pattern has matched.
    const match = this.#matches(found);
    if (match !== "outside" && !skipHeader) {
      if (match === "included") this.#take(found);
      if (node.kind === "dir") {
        this.#above.push(found);
        entered = true;
      }
    }
    if (node.kind === "dir" && this.#mayHoldMatches(path)) {
      for (const child of this.#hasher.children(node).values()) this.#visit(child, `${path}/${textOf(child.name)}`);
    }
    if (entered) this.#above.pop();
  }

  #take(found: Found): void {
    for (const above of this.#above) {
      if (above.included) continue;
      above.included = true;
      this.#result.push(above);
    }
    found.included = true;
    this.#result.push(found);
  }

  #matches(found: Found): "included" | "left out" | "outside" {
    let base = this.#path;
    if (this.#request.wildcard) {
      const below = this.#lastMatchedDir !== "" && found.path.startsWith(`${this.#lastMatchedDir}/`);
      if (this.#path !== "" && !below) {
        if (!matchPath(this.#path, found.path)) return "outside";
        this.#lastMatchedDir = found.path;
      }
      base = this.#lastMatchedDir;
    }
    const whole = `${found.path}/`;
    const candidate = (whole.startsWith(`${base}/`) ? whole.slice(base.length + 1) : whole).replace(/\/$/, "");
    const above = this.#above.at(-1);
    if (this.#include !== undefined) {
      const { matched, info } = this.#include.matchesUsingParentResults(candidate, above?.include);
      found.include = info;
      if (!matched) return "left out";
    }
    if (this.#exclude !== undefined) {
      const { matched, info } = this.#exclude.matchesUsingParentResults(candidate, above?.exclude);
      found.exclude = info;
      if (matched) return "left out";
    }
    return "included";
  }

  /** Whether something below a folder can be meant by a wildcard path: what is not need not be listed. */
  #mayHoldMatches(dir: string): boolean {
    if (this.#pruneBy === undefined || this.#path === "") return true;
    const depth = dir === "" ? 1 : dir.split("/").length;
    if (depth >= this.#pruneBy.length)
      return this.#lastMatchedDir !== "" && `${dir}/`.startsWith(`${this.#lastMatchedDir}/`);
    return depth === 1 || matchPath(this.#pruneBy.slice(0, depth).join("/"), dir);
  }
}

function newNode(name: ByteString, path: ByteString, kind: NodeKind, parent: TreeNode | undefined): TreeNode {
  return {
    name,
    path,
    kind,
    parent,
    children: undefined,
    link: undefined,
    digest: undefined,
    contentDigest: undefined,
  };
}

/** An absolute path without `.`, `..` and slashes too many; "" for the root. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts.map((part) => `/${part}`).join("");
}

function baseName(path: string): string {
  if (path === "") return ".";
  const trimmed = path.replace(/\/+$/, "");
  return trimmed === "" ? "/" : trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

function notFound(path: string): BuildError {
  return new BuildError(`${JSON.stringify(path)}: not found`, { code: "NOT_FOUND", status: "NotFound" });
}

function tooManyLinks(): BuildError {
  return new BuildError("too many links", { code: "TOO_MANY_LINKS", status: "InvalidArgument" });
}
