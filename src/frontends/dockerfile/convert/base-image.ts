// What a stage starts from: nothing, a named context, or an image whose config is looked up.
// Counterpart: resolveBaseImage of dockerfile2llb/convert.go.

import { messageOf } from "../../../base/index.ts";
import {
  formatAllPlatform,
  parseReference,
  referenceString,
  tagNameOnly,
  withDigest,
} from "../../../formats/oci/index.ts";
import type { Reference } from "../../../formats/oci/index.ts";
import { imageSource, State } from "../../../graph/llb/index.ts";
import type { Platform } from "../../../graph/llb/index.ts";
import { quote } from "../go/format.ts";
import { NO_ENV } from "../shell/lex.ts";
import { FrontendError, withLocation, withSuggestion, wrapError } from "../source-error.ts";
import { nameStep } from "./context.ts";
import type { Conversion } from "./context.ts";
import { followPathsOf } from "./context-paths.ts";
import { cloneImage, decodeImage, emptyImage, platformOfImage } from "./image.ts";
import type { Image } from "./image.ts";
import { lintBasePlatform } from "./lint-checks.ts";
import type { StageState } from "./stage-state.ts";

/** Resolves a stage's base; one that is not needed is only checked for its name. @throws FrontendError with lines */
export async function resolveBase(
  conversion: Conversion,
  stage: StageState,
  reachable: boolean,
  signal: AbortSignal,
): Promise<void> {
  try {
    await new BaseResolver(conversion, stage, signal).resolve(reachable);
  } catch (error) {
    throw withLocation(error, stage.stage.location);
  } finally {
    if (stage.unregistered) stage.dispatched = true;
  }
}

class BaseResolver {
  readonly #conversion: Conversion;
  readonly #stage: StageState;
  readonly #signal: AbortSignal;
  readonly #originalName: string;
  #platform: Platform;

  constructor(conversion: Conversion, stage: StageState, signal: AbortSignal) {
    this.#conversion = conversion;
    this.#stage = stage;
    this.#signal = signal;
    this.#originalName = stage.stage.baseName;
    this.#platform = stage.platform ?? conversion.targetPlatform;
  }

  async resolve(reachable: boolean): Promise<void> {
    const stage = this.#stage;
    const ref = this.#parse(stage.stage.baseName, `failed to parse stage name ${quote(stage.stage.baseName)}`);
    stage.stage.baseName = referenceString(tagNameOnly(ref));
    if (reachable && (await this.#fromContext())) return;
    const image = reachable ? await this.#lookUp(ref) : undefined;
    if (image !== undefined) stage.image = image;
    const isScratch = image !== undefined && hasNoLayers(image);
    if (isScratch) stage.state = State.scratch();
    else {
      this.#useImage();
      if (image !== undefined) {
        const { location } = stage.stage;
        const actual = platformOfImage(stage.image);
        lintBasePlatform(this.#originalName, this.#platform, actual, location, this.#conversion.linter);
      }
    }
    stage.platform = this.#platform;
  }

  #parse(text: string, prefix: string): Reference {
    try {
      return parseReference(text);
    } catch (error) {
      throw wrapError(error, prefix);
    }
  }

  // True when a named context replaced the stage or the image.
  async #fromContext(): Promise<boolean> {
    const stage = this.#stage;
    if (stage.namedContext !== undefined) {
      const { state, image } = await stage.namedContext.load(this.#signal);
      stage.dispatched = true;
      stage.state = state;
      if (image !== undefined) {
        stage.image = { ...image, created: undefined };
        if (image.architecture !== "" && image.os !== "") stage.platform = platformOfImage(image);
      } else {
        // Differs: BuildKit leaves the config without a platform, and no image can be made of a stage on a folder.
        stage.image = emptyImage(this.#platform);
      }
      return true;
    }
    const { config } = this.#conversion;
    const context = contextOf(this.#conversion, stage.stage.baseName, {
      platform: this.#platform,
      resolveMode: config.resolveMode,
      followPaths: () => followPathsOf(stage.paths),
    });
    if (context === undefined) return false;
    const loaded = await context.load(this.#signal);
    const image = loaded.image ?? emptyImage(this.#platform);
    stage.baseImage = image;
    stage.image = cloneImage({ ...image, created: undefined });
    stage.state = loaded.state.onPlatform(this.#platform);
    stage.platform = this.#platform;
    return true;
  }

  async #lookUp(ref: Reference): Promise<Image> {
    const stage = this.#stage;
    const { client, config, stages } = this.#conversion;
    const platformPrefix = config.multiPlatform ? `${formatAllPlatform(this.#platform)} ` : "";
    const logName = `[${platformPrefix}internal] load metadata for ${stage.stage.baseName}`;
    let resolved: Awaited<ReturnType<typeof client.gateway.resolveImageConfig>>;
    try {
      const options = { platform: this.#platform, resolveMode: config.resolveMode, logName };
      resolved = await client.gateway.resolveImageConfig(stage.stage.baseName, options, this.#signal);
    } catch (error) {
      const wrapped = wrapError(error, this.#originalName);
      throw withSuggestion(wrapped, this.#originalName, [...stages.names(), ...commonImageNames()]);
    }
    const answered =
      resolved.ref === referenceString(ref)
        ? ref
        : this.#parse(resolved.ref, `failed to parse ref ${quote(resolved.ref)}`);
    let image: Image;
    try {
      image = decodeImage(resolved.config);
    } catch (error) {
      throw new FrontendError(`failed to parse image config: ${messageOf(error)}`, { cause: error });
    }
    stage.baseImage = decodeImage(resolved.config);
    image.created = undefined;
    if (stage.platform === undefined && this.#conversion.implicitTarget) this.#platform = this.#detect(image);
    stage.stage.baseName = referenceString(withDigest(answered, resolved.digest));
    return image;
  }

  // Without a request, the image decides, as long as this builder runs what it is for.
  #detect(image: Image): Platform {
    const target = this.#platform;
    if (target.os === image.os && target.architecture === image.architecture) return target;
    const matches = (platform: Platform) => platform.os === image.os && platform.architecture === image.architecture;
    return this.#conversion.buildPlatforms.find(matches) ?? target;
  }

  #useImage(): void {
    const { sourceFile, config } = this.#conversion;
    const { stage } = this.#stage;
    // The reference is normalised again, which adds a tag where there is none.
    const ref = referenceString(tagNameOnly(parseReference(stage.baseName)));
    this.#stage.state = imageSource(ref, {
      description: { "com.docker.dockerfile.v1.command": stage.code },
      platform: this.#platform,
      resolveMode: config.resolveMode,
      customName: nameStep(this.#conversion, this.#stage, `FROM ${stage.baseName}`, this.#platform, NO_ENV),
      location: { file: sourceFile, lines: stage.location },
    });
  }
}

/** The named context for a name, scratch and the main context excepted. */
export function contextOf(
  conversion: Conversion,
  name: string,
  options: Parameters<Conversion["client"]["namedContext"]>[1],
): ReturnType<Conversion["client"]["namedContext"]> {
  const lower = name.toLowerCase();
  if (lower === "scratch" || lower === "context") return undefined;
  const platform = options.platform ?? (conversion.implicitTarget ? undefined : conversion.targetPlatform);
  return conversion.client.namedContext(name, { ...options, platform });
}

function hasNoLayers(image: Image): boolean {
  return (image.diffIds ?? []).length === 0 && image.history.every((entry) => entry.emptyLayer);
}

function commonImageNames(): string[] {
  const names = ["alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"];
  return names.flatMap((name) => [
    name,
    `docker.io/library${name}`,
    `${name}:latest`,
    `docker.io/library${name}:latest`,
  ]);
}
