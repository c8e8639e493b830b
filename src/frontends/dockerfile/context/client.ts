// A Dockerfile build's view of the gateway: reads the Dockerfile and the ignore file through it, and gives the main and named
// contexts as states. Counterpart: moby/buildkit frontend/dockerui {config,context}.go.

import type { Digest, SourceSpan } from "../../../base/index.ts";
import { contextKey, parseReference } from "../../../formats/oci/index.ts";
import { baseName, dirName, joinPath, parseIgnoreFile } from "../../../formats/patterns/index.ts";
import { decodeDefinition, defaultPlatform, localSource, marshalState } from "../../../graph/llb/index.ts";
import type { Platform, SourceMapFile, State } from "../../../graph/llb/index.ts";
import { messageOf } from "../../../base/index.ts";
import type { GatewayClient, GatewayRef } from "../../gateway/index.ts";
import { equalFold } from "../go/text.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import { readBuildContext } from "./build-context.ts";
import type { BuildContext } from "./build-context.ts";
import { platformKey, readConfig, withPrefix } from "./config.ts";
import type { BuildConfig } from "./config.ts";
import { tryRead } from "./host.ts";
import type { ContextHost } from "./host.ts";
import { NamedContext } from "./named-context.ts";
import type { NamedContextOptions } from "./named-context.ts";

const IGNORE_FILE = ".dockerignore";
const DEFAULT_FILENAME = "Dockerfile";

/** The Dockerfile and where it was read from. */
export interface Entrypoint {
  readonly file: SourceMapFile;
  /** Digest of the step that loads the file: what warnings are attached to. */
  readonly vertex: Digest | undefined;
}

/** One build's contexts and settings. */
export class BuildClient implements ContextHost {
  readonly gateway: GatewayClient;
  readonly config: BuildConfig;
  readonly #localSessionIds: ReadonlyMap<string, string>;
  #context: Promise<BuildContext> | undefined;
  #ignore: Promise<{ readonly data: Uint8Array; readonly name: string }> | undefined;

  /** @throws FrontendError when an attribute is malformed */
  constructor(gateway: GatewayClient) {
    this.gateway = gateway;
    this.config = readConfig(gateway);
    this.#localSessionIds = withPrefix(gateway.options, "local-sessionid:");
  }

  supports(cap: string): boolean {
    return this.gateway.supports(cap);
  }

  sessionIdOf(local: string): string {
    return this.#localSessionIds.get(local) ?? this.gateway.sessionId;
  }

  /** Whether a stage is to be built without the cache. */
  isNoCache(stageName: string): boolean {
    const { noCache } = this.config;
    if (noCache === undefined) return false;
    return noCache.length === 0 || noCache.some((name) => equalFold(name, stageName));
  }

  /** Definitions of this frontend's own reads name the gateway's capabilities, not the server's LLB ones. */
  async solve(state: State, signal: AbortSignal, evaluate = false): Promise<GatewayRef> {
    return this.gateway.solve(marshalState(state, { supports: () => true }), { evaluate, signal });
  }

  buildContext(signal: AbortSignal): Promise<BuildContext> {
    return (this.#context ??= readBuildContext(this, signal));
  }

  /** @throws FrontendError `failed to read dockerfile: …` */
  async readEntrypoint(language: string, signal: AbortSignal): Promise<Entrypoint> {
    const context = await this.buildContext(signal);
    const { filename } = context;
    const state = (context.forceLocalDockerfile ? undefined : context.dockerfile) ?? this.#dockerfileSource(context);
    const definition = marshalState(state, { supports: () => true });
    let ref: GatewayRef;
    try {
      ref = await this.gateway.solve(definition, { signal });
    } catch (error) {
      throw wrapError(error, "failed to resolve dockerfile");
    }
    const data = await readDockerfile(ref, filename, signal);
    const ignoreName = `${filename}${IGNORE_FILE}`;
    const ignore = await tryRead(ref, ignoreName, signal);
    if (ignore !== undefined) this.#ignore = Promise.resolve({ data: ignore, name: ignoreName });
    return { file: { filename, language, data, definition }, vertex: decodeDefinition(definition).head?.digest };
  }

  #dockerfileSource(context: BuildContext): State {
    const { filename, dockerfileLocalName } = context;
    const followPaths = [filename, `${filename}${IGNORE_FILE}`];
    if (baseName(filename) === DEFAULT_FILENAME) followPaths.push(lowerCaseName(filename));
    return localSource(dockerfileLocalName, {
      followPaths,
      sessionId: this.sessionIdOf(dockerfileLocalName),
      sharedKeyHint: dockerfileLocalName,
      customName: `[internal] load build definition from ${filename}`,
      differ: "none",
    });
  }

  /** The main context; `followPaths` limits what is sent of a local one. */
  async mainContext(followPaths: readonly string[], signal: AbortSignal): Promise<State> {
    const context = await this.buildContext(signal);
    if (context.context !== undefined) return context.context;
    let excludePatterns: readonly string[];
    try {
      excludePatterns = await this.#ignorePatternsOf(context, signal);
    } catch (error) {
      throw wrapError(error, "failed to read dockerignore patterns");
    }
    return localSource(context.contextLocalName, {
      sessionId: this.sessionIdOf(context.contextLocalName),
      excludePatterns,
      sharedKeyHint: context.contextLocalName,
      customName: "[internal] load build context",
      followPaths,
    });
  }

  /** The patterns of the main context's ignore file; none for a remote context. */
  async ignorePatterns(signal: AbortSignal): Promise<readonly string[]> {
    const context = await this.buildContext(signal);
    return context.context === undefined ? this.#ignorePatternsOf(context, signal) : [];
  }

  async #ignorePatternsOf(context: BuildContext, signal: AbortSignal): Promise<readonly string[]> {
    this.#ignore ??= this.#readIgnoreFile(context, signal);
    const { data, name } = await this.#ignore;
    try {
      return parseIgnoreFile(data);
    } catch (error) {
      throw wrapError(error, `failed parsing ${name}`);
    }
  }

  async #readIgnoreFile(context: BuildContext, signal: AbortSignal): Promise<{ data: Uint8Array; name: string }> {
    const local = context.contextLocalName;
    const source = localSource(local, {
      sessionId: this.sessionIdOf(local),
      followPaths: [IGNORE_FILE],
      sharedKeyHint: `${local}-${IGNORE_FILE}`,
      customName: `[internal] load ${IGNORE_FILE}`,
      differ: "none",
    });
    const ref = await this.solve(source, signal);
    return { data: (await tryRead(ref, IGNORE_FILE, signal)) ?? new Uint8Array(), name: IGNORE_FILE };
  }

  /** The context that replaces an image or stage of this name, if one is given. @throws FrontendError on a bad name */
  namedContext(name: string, options: NamedContextOptions): NamedContext | undefined {
    let key: string;
    try {
      key = contextKey(parseReference(name));
    } catch (error) {
      throw new FrontendError(`invalid context name ${name}: ${messageOf(error)}`, { cause: error });
    }
    const withPlatform = `${key}::${platformKey(options.platform ?? (defaultPlatform() as Platform))}`;
    for (const candidate of [withPlatform, key]) {
      const input = this.gateway.options[`context:${candidate}`];
      if (input !== undefined)
        return new NamedContext(this, { input, name: key, nameWithPlatform: candidate, options });
    }
    return undefined;
  }
}

function lowerCaseName(filename: string): string {
  return joinPath(dirName(filename), DEFAULT_FILENAME.toLowerCase());
}

async function readDockerfile(ref: GatewayRef, filename: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await ref.readFile(filename, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (baseName(filename) === DEFAULT_FILENAME) {
      const data = await tryRead(ref, lowerCaseName(filename), signal);
      if (data !== undefined) return data;
    }
    throw wrapError(error, "failed to read dockerfile");
  }
}

/** A source file with lines to point at. */
export function spanOf(file: SourceMapFile, ranges: SourceSpan["ranges"]): SourceSpan {
  return { filename: file.filename, language: file.language, text: file.data, ranges };
}
