// Named contexts (`--build-context name=…`): what stands in for an image or a stage. Loading one may read an ignore file or
// look up an image. Counterpart: moby/buildkit frontend/dockerui/namedcontext.go.

import {
  parsePlainReference,
  parseReference,
  referenceName,
  referenceString,
  tagNameOnly,
  withDigest,
} from "../../../formats/oci/index.ts";
import type { Reference } from "../../../formats/oci/index.ts";
import { parseIgnoreFile } from "../../../formats/patterns/index.ts";
import {
  DeferredOutput,
  httpSource,
  imageSource,
  localSource,
  ociLayoutSource,
  State,
  stateOfDefinition,
} from "../../../graph/llb/index.ts";
import type { Platform, ResolveMode } from "../../../graph/llb/index.ts";
import { messageOf } from "../../../base/index.ts";
import { decodeImage, platformOfImage } from "../convert/image.ts";
import type { Image } from "../convert/image.ts";
import { quote } from "../go/format.ts";
import { cut } from "../go/text.ts";
import { FrontendError } from "../source-error.ts";
import { gitContext } from "./build-context.ts";
import { tryRead } from "./host.ts";
import type { ContextHost } from "./host.ts";
import { parseGitRef } from "./git-ref.ts";

export interface NamedContextOptions {
  readonly platform: Platform | undefined;
  readonly resolveMode: ResolveMode;
  /** Paths that are used of a local context, asked for when everything is converted. */
  readonly followPaths: () => readonly string[];
}

/** A context's filesystem, and its image config if it has one. */
export interface LoadedContext {
  readonly state: State;
  readonly image: Image | undefined;
}

export class NamedContext {
  readonly #client: ContextHost;
  readonly #input: string;
  readonly #name: string;
  readonly #nameWithPlatform: string;
  readonly #options: NamedContextOptions;

  constructor(
    client: ContextHost,
    facts: { input: string; name: string; nameWithPlatform: string; options: NamedContextOptions },
  ) {
    this.#client = client;
    this.#input = facts.input;
    this.#name = facts.name;
    this.#nameWithPlatform = facts.nameWithPlatform;
    this.#options = facts.options;
  }

  /** @throws FrontendError on a malformed specifier, and what look-ups throw */
  async load(signal: AbortSignal): Promise<LoadedContext> {
    const { before, after, found } = cut(this.#input, ":");
    if (!found) throw new FrontendError(`invalid context specifier ${this.#input} for ${this.#nameWithPlatform}`);
    const scheme = before.startsWith("git@") ? "git" : before;
    switch (scheme) {
      case "docker-image":
        return this.#loadImage(after.replace(/^\/\//, ""), signal);
      case "git":
        return this.#loadGit();
      case "http":
      case "https":
        return this.#loadHttp();
      case "oci-layout":
        return this.#loadOciLayout(after.replace(/^\/\//, ""), signal);
      case "local":
        return this.#loadLocal(after, signal);
      case "input":
        return this.#loadInput(after);
      default:
        throw new FrontendError(`unsupported context source ${scheme} for ${this.#nameWithPlatform}`);
    }
  }

  get #prefix(): string {
    return `[context ${this.#nameWithPlatform}]`;
  }

  async #loadImage(written: string, signal: AbortSignal): Promise<LoadedContext> {
    if (written === "scratch") return { state: State.scratch(), image: undefined };
    const ref = referenceString(tagNameOnly(parseRef(() => parseReference(written))));
    const { platform, resolveMode } = this.#options;
    const resolved = await this.#client.gateway.resolveImageConfig(
      ref,
      { platform, resolveMode, logName: `${this.#prefix} load metadata for ${written}` },
      signal,
    );
    const image = decodeImage(resolved.config);
    const state = imageSource(referenceString(tagNameOnly(parseReference(resolved.ref))), {
      customName: `${this.#prefix} ${written}`,
      platform,
    });
    return { state: withImageSettings(state, image), image: { ...image, created: undefined } };
  }

  #loadGit(): LoadedContext {
    const git = parseGitRef(this.#input);
    if (git.kind === "bad") throw git.error;
    if (git.kind === "none") throw new FrontendError(`invalid git context ${this.#input}`);
    return { state: gitContext(git.ref, this.#input), image: undefined };
  }

  #loadHttp(): LoadedContext {
    const git = parseGitRef(this.#input);
    if (git.kind === "bad") throw git.error;
    if (git.kind === "git") return { state: gitContext(git.ref, this.#input), image: undefined };
    const customName = `${this.#prefix} ${this.#input}`;
    return { state: httpSource(this.#input, { filename: "context", customName }), image: undefined };
  }

  async #loadOciLayout(written: string, signal: AbortSignal): Promise<LoadedContext> {
    let ref: Reference;
    try {
      ref = parsePlainReference(written);
    } catch (error) {
      throw new FrontendError(`could not parse oci-layout reference ${quote(written)}: ${messageOf(error)}`);
    }
    if (ref.digest === undefined)
      throw new FrontendError(`oci-layout reference ${quote(referenceString(ref))} has no digest`);
    const storeId = referenceName(ref);
    const { platform } = this.#options;
    const { sessionId } = this.#client.gateway;
    const shown = referenceString(withDigest(parseReference(this.#name), ref.digest));
    const resolved = await this.#client.gateway.resolveImageConfig(
      shown,
      { platform, logName: `${this.#prefix} load metadata for ${shown}`, ociStore: { sessionId, storeId } },
      signal,
    );
    const image = decodeImage(resolved.config);
    const customName = `${this.#prefix} OCI load from client`;
    const state = ociLayoutSource(shown, { customName, sessionId, storeId, platform });
    return { state: withImageSettings(state, image), image };
  }

  async #loadLocal(local: string, signal: AbortSignal): Promise<LoadedContext> {
    const client = this.#client;
    const sessionId = client.sessionIdOf(local);
    const ignoreSource = localSource(local, {
      sessionId,
      followPaths: [".dockerignore"],
      sharedKeyHint: `context:${this.#nameWithPlatform}-.dockerignore`,
      customName: `${this.#prefix} load .dockerignore`,
      differ: "none",
    });
    const ref = await client.solve(ignoreSource, signal, true);
    const excludePatterns = parseIgnoreFile((await tryRead(ref, ".dockerignore", signal)) ?? "");
    const sharedKey = client.gateway.options[`sharedkey:localdir:${this.#nameWithPlatform}`] ?? "";
    const output = new DeferredOutput(
      () =>
        localSource(local, {
          customName: `${this.#prefix} load from client`,
          sessionId,
          sharedKeyHint: `context:${this.#nameWithPlatform}-${sharedKey}`,
          excludePatterns,
          followPaths: this.#options.followPaths(),
        }).output!,
    );
    return { state: State.of(output), image: undefined };
  }

  #loadInput(name: string): LoadedContext {
    const definition = this.#client.gateway.inputs[name];
    if (definition === undefined) throw new FrontendError(`invalid input ${name} for ${this.#nameWithPlatform}`);
    const state = stateOfDefinition(definition);
    const metadata = this.#client.gateway.options[`input-metadata:${name}`];
    const config = metadata === undefined ? undefined : imageConfigOf(metadata);
    if (config === undefined) return { state, image: undefined };
    const image = decodeImage(config);
    return { state: withImageSettings(state, image), image };
  }
}

// A JSON object of base64 values.
function imageConfigOf(metadata: string): Uint8Array | undefined {
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(metadata) as Record<string, unknown>;
  } catch (cause) {
    throw new FrontendError(`failed to parse input metadata ${metadata}`, { cause });
  }
  const value = members["containerimage.config"];
  return typeof value === "string" ? new Uint8Array(Buffer.from(value, "base64")) : undefined;
}

function parseRef(parse: () => Reference): Reference {
  try {
    return parse();
  } catch (error) {
    throw new FrontendError(messageOf(error), { cause: error });
  }
}

/** What steps on an image inherit from its config. */
function withImageSettings(state: State, image: Image): State {
  let next = state;
  for (const entry of image.config.env) {
    const { before: key, after: value } = cut(entry, "=");
    if (key !== "") next = next.addEnv(key, value);
  }
  next = next.inDir(image.config.workingDir);
  return image.architecture !== "" && image.os !== "" ? next.onPlatform(platformOfImage(image)) : next;
}
