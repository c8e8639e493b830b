// Docker Engine as an image store to load into. The classic store knows a layer by its place in a chain of diff IDs, and takes an archive
// that leaves known ones out; containerd's store knows blobs, and takes an OCI layout that leaves them out. What the engine has is told by
// the images that it lists; whether it has the very blobs is a guess there. Spec: Docker Engine API v1.41, /images.

import { BuildError, Semaphore } from "../../base/index.ts";
import { familiarName, familiarString, parseReference, tagNameOnly } from "../../formats/oci/index.ts";
import type { ImageLoader, LoadedImage, LoadSurvey } from "../../engine/index.ts";
import { dockerEndpoint } from "./endpoint.ts";
import { EngineClient, type EngineResponse } from "./engine-client.ts";

interface StoreForm {
  readonly form: "docker" | "oci";
  /** The engine tells which images of containerd's store lack blobs; API 1.48 does. */
  readonly tellsMissing: boolean;
}

/** What of an engine's answer on an image is looked at; another program may be at the other end. */
interface EngineImage {
  readonly Id?: unknown;
  readonly RepoTags?: unknown;
  readonly RootFS?: { readonly Layers?: unknown };
  readonly Manifests?: readonly { readonly ID?: string; readonly Available?: boolean }[];
}

/** Opens the loader of the engine that the environment, or a docker context, names; nothing is connected yet. */
export async function openDockerLoader(
  env: Readonly<Record<string, string | undefined>>,
  context = "",
): Promise<DockerLoader> {
  return new DockerLoader(new EngineClient(dockerEndpoint(env, context)));
}

/** How many images are looked into for layers that they share with ours, newest first. */
const MAX_IMAGES = 500;
/** An engine unpacks one image after the other within a load, and waits for its disk much of the time. */
const LOADS_AT_ONCE = 2;

export class DockerLoader implements ImageLoader, Disposable {
  readonly #client: EngineClient;
  readonly #layersOf = new Map<string, readonly string[]>();
  #form: Promise<StoreForm> | undefined;
  readonly #places = new Semaphore(LOADS_AT_ONCE);
  /** By key, the end of the last work that was asked for. */
  readonly #busy = new Map<string, Promise<void>>();

  constructor(client: EngineClient) {
    this.#client = client;
  }

  get name(): string {
    return `docker at ${this.#client.host}`;
  }

  async survey(image: LoadedImage, signal: AbortSignal): Promise<LoadSurvey> {
    // The classic store alone knows images by their configs: where one is found so, its form need not be asked for.
    const isFirst = this.#form === undefined;
    const first = isFirst ? await this.#look(image.config, signal) : undefined;
    if (first?.Id === image.config) {
      this.#form ??= Promise.resolve({ form: "docker", tellsMissing: false });
      return this.#named(image.config, first, image, "docker", signal);
    }
    this.#form ??= this.#findForm(signal);
    const { form, tellsMissing } = await this.#form.catch((error: unknown) => {
      this.#form = undefined;
      throw error;
    });
    if (form === "oci" && !tellsMissing) return { complete: false, knownLayers: 0, form };
    const id = form === "oci" ? image.manifest : image.config;
    const found =
      form === "oci" ? await this.#whole(id, signal) : isFirst ? first : await this.#look(image.config, signal);
    if (found !== undefined) return this.#named(id, found, image, form, signal);
    return { complete: false, knownLayers: await this.#known(image, signal), form };
  }

  /** Gives an image that is there whole its names, as far as it has not got them. */
  async #named(
    id: string,
    { RepoTags: tags }: EngineImage,
    { names, layers }: LoadedImage,
    form: LoadSurvey["form"],
    signal: AbortSignal,
  ): Promise<LoadSurvey> {
    const has = new Set<unknown>(Array.isArray(tags) ? tags : []);
    for (const name of names)
      if (!has.has(familiarString(tagNameOnly(parseReference(name))))) await this.#tag(id, name, signal);
    return { complete: true, knownLayers: layers.length, form };
  }

  async load(
    image: LoadedImage,
    write: (stream: NodeJS.WritableStream) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let failure = await this.#send(write, signal);
    const form = await this.#form;
    // containerd's store takes an image whose layers are not there, and finds out when it is to run.
    if (
      failure === undefined &&
      form?.tellsMissing === true &&
      (await this.#whole(image.manifest, signal)) === undefined
    )
      failure = "a layer is missing";
    if (failure !== undefined) throw this.#refused(failure);
  }

  async form(signal: AbortSignal): Promise<"docker" | "oci"> {
    this.#form ??= this.#findForm(signal);
    return (await this.#form).form;
  }

  async loadArchive(write: (stream: NodeJS.WritableStream) => Promise<void>, signal: AbortSignal): Promise<void> {
    const failure = await this.#send(write, signal);
    if (failure !== undefined) throw this.#refused(failure);
  }

  /** Resolves with what the engine complains of. */
  async #send(
    write: (stream: NodeJS.WritableStream) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const response = await this.#client.post("/images/load?quiet=1", write, signal);
    return response.status === 200 ? streamedError(response.text) : serverMessage(response);
  }

  #refused(failure: string): BuildError {
    return new BuildError(`${this.name} did not take the image: ${failure}`, {
      code: /no space left/i.test(failure) ? "DISK_FULL" : "LOAD_FAILED",
      status: "FailedPrecondition",
      hint: /no space left/i.test(failure)
        ? "its disk is full: free some with docker system prune"
        : "the image is whole here: -o type=docker,dest=FILE writes it, and docker load -i FILE may tell more",
    });
  }

  async exclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#busy.set(key, promise);
    await before;
    try {
      return await this.#places.run(work);
    } finally {
      if (this.#busy.get(key) === promise) this.#busy.delete(key);
      resolve();
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #findForm(signal: AbortSignal): Promise<StoreForm> {
    const { DriverStatus: status } = await this.#ask<{ DriverStatus?: [string, string][] }>("/info", signal);
    const isContainerd = status?.some(([key, value]) => key === "driver-type" && value.includes("containerd")) === true;
    if (!isContainerd) return { form: "docker", tellsMissing: false };
    const { ApiVersion: version = "" } = await this.#ask<{ ApiVersion?: string }>("/version", signal);
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return { form: "oci", tellsMissing: major > 1 || (major === 1 && minor >= 48) };
  }

  /** An image of containerd's store that has all of its blobs. */
  async #whole(manifest: string, signal: AbortSignal): Promise<EngineImage | undefined> {
    const found = await this.#look(manifest, signal, "?manifests=1");
    return found?.Manifests?.some(({ ID, Available }) => ID === manifest && Available === true) ? found : undefined;
  }

  async #look(id: string, signal: AbortSignal, query = ""): Promise<EngineImage | undefined> {
    return ((await this.#find(`/images/${id}/json${query}`, signal)) as EngineImage | null | undefined) ?? undefined;
  }

  /** The longest run of layers, from the bottom, that an image of the engine's has too. */
  async #known({ layers }: LoadedImage, signal: AbortSignal): Promise<number> {
    if (layers.length === 0) return 0;
    const listed = await this.#ask<{ Id?: unknown }[]>("/images/json?all=1", signal);
    const ids = listed.flatMap(({ Id }) => (typeof Id === "string" ? [Id] : [])).slice(0, MAX_IMAGES);
    let known = 0;
    const waiting = [...ids];
    const look = async () => {
      for (let id = waiting.shift(); id !== undefined && known < layers.length; id = waiting.shift()) {
        const theirs = await this.#layers(id, signal);
        let same = 0;
        while (same < layers.length && theirs[same] === layers[same]!.diffId) same++;
        known = Math.max(known, same);
      }
    };
    await Promise.all(Array.from({ length: 8 }, look));
    return known;
  }

  async #layers(id: string, signal: AbortSignal): Promise<readonly string[]> {
    let layers = this.#layersOf.get(id);
    if (layers === undefined) {
      const given = (await this.#look(id, signal))?.RootFS?.Layers;
      layers = Array.isArray(given) ? given.map(String) : [];
      this.#layersOf.set(id, layers);
    }
    return layers;
  }

  async #tag(id: string, name: string, signal: AbortSignal): Promise<void> {
    const reference = parseReference(name);
    const query = new URLSearchParams({ repo: familiarName(reference), tag: reference.tag ?? "latest" });
    const response = await this.#client.call("POST", `/images/${id}/tag?${query.toString()}`, signal);
    if (response.status !== 201) throw this.#failed(response);
  }

  async #find(path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.#client.call("GET", path, signal);
    if (response.status === 404) return undefined;
    return this.#parsed(response);
  }

  async #ask<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#parsed(await this.#client.call("GET", path, signal)) as T;
  }

  #parsed(response: EngineResponse): unknown {
    if (response.status !== 200) throw this.#failed(response);
    try {
      return JSON.parse(response.text);
    } catch (cause) {
      throw this.#failed(response, cause);
    }
  }

  #failed(response: EngineResponse, cause?: unknown): BuildError {
    return new BuildError(`${this.name} answered ${response.status}: ${serverMessage(response)}`, {
      code: "ENGINE_FAILED",
      status: "Unavailable",
      hint: "its log tells more (journalctl -u docker)",
      cause,
    });
  }
}

function serverMessage({ text }: EngineResponse): string {
  try {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === "string") return message.slice(0, 500);
  } catch {
    // Not from the engine itself.
  }
  return text.trim().slice(0, 200) || "no text";
}

/** What a stream of progress messages says went wrong. */
function streamedError(text: string): string | undefined {
  for (const line of text.split("\n")) {
    if (!line.includes("error")) continue;
    try {
      const { error } = JSON.parse(line) as { error?: unknown };
      if (typeof error === "string") return error.slice(0, 500);
    } catch {
      // Not a message.
    }
  }
  return undefined;
}
