// What a provenance statement says of the request: where the Dockerfile comes from, and the attributes that are not about this
// machine. Counterpart: moby/buildkit solver/llbsolver/provenance/predicate.go FilterArgs, RequestProvenance.

import { redact } from "../../base/index.ts";
import type { Capture } from "./capture.ts";
import { redactCredentials } from "./redact-credentials.ts";

type Attributes = Readonly<Record<string, string>>;

export interface ConfigSource {
  readonly uri?: string | undefined;
  readonly digest?: ReadonlyMap<string, string> | undefined;
  readonly path?: string | undefined;
}

const OF_THIS_HOST = new Set(["cgroup-parent", "image-resolve-mode", "platform", "cache-imports"]);

/** Where the build's files come from: a git or web source where the context is one, and the Dockerfile's path in it. */
export function configSourceOf(attributes: Attributes, capture: Capture): ConfigSource {
  const context = attributes[contextKeyOf(attributes)] ?? "";
  const path = attributes["filename"] || undefined;
  if (context === "") return { path };
  const uri = redactCredentials(context);
  const git = capture.git.find(([url]) => url === uri || url === plainGitUrl(uri));
  if (git !== undefined) {
    const [, commit] = git;
    return {
      uri: uri.replace(/\?[^#]*/, ""),
      digest: new Map([[commit.length === 64 ? "sha256" : "sha1", commit]]),
      path,
    };
  }
  const web = capture.http.find(([url]) => url === uri);
  const digest = web === undefined ? undefined : web[1].split(":", 2);
  return { uri, digest: digest === undefined ? undefined : new Map([[digest[0]!, digest[1]!]]), path };
}

/** The attributes worth telling, sorted, and apart from them those of the version control system. */
export function requestArguments(
  attributes: Attributes,
  source: ConfigSource,
): { source: ConfigSource; args: [string, string][]; vcs: [string, string][] } {
  const contextKey = contextKeyOf(attributes);
  const args: [string, string][] = [];
  const vcs: [string, string][] = [];
  for (const [key, value] of Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (OF_THIS_HOST.has(key) || key.startsWith("attest:")) continue;
    if ((key === contextKey || key === "filename") && value !== "") continue;
    if (key.startsWith("vcs:")) {
      const shown = key === "vcs:source" ? redactCredentials(value) : value;
      if (shown !== "") vcs.push([key.slice("vcs:".length), shown]);
    } else args.push([key, key.startsWith("context:") ? redactCredentials(value) : redact(value)]);
  }
  return { source, args, vcs };
}

function contextKeyOf(attributes: Attributes): string {
  return attributes["contextkey"] || "context";
}

/** The URL that the source has: without the folder inside the repository, and without a query. */
function plainGitUrl(url: string): string {
  const [, remote, fragment] = /^([^?#]*)(?:\?[^#]*)?(?:#(.*))?$/s.exec(url) ?? [];
  const ref = (fragment ?? "").split(":", 1)[0];
  return ref === "" || ref === undefined ? (remote ?? url) : `${remote}#${ref}`;
}
