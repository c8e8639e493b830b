// Docker Engine as an image store to load into. The classic store knows a layer by its place in a chain of diff IDs, and takes an archive
// that leaves known ones out; containerd's store knows blobs, and takes an OCI layout that leaves them out. What the engine has is told by
// the images that it lists; whether it has the very blobs is a guess there. Spec: Docker Engine API v1.41, /images.

import { BuildError, Semaphore } from "../../base/index.ts";
import { familiarName, parseReference } from "../../formats/oci/index.ts";
import type { ImageLoader, LoadedImage, LoadSurvey } from "../../engine/index.ts";
import { dockerEndpoint } from "./endpoint.ts";
import { EngineClient, type EngineResponse } from "./engine-client.ts";

interface StoreForm {
  readonly form: "docker" | "oci";
  /** The engine tells which images of containerd's store lack blobs; API 1.48 does. */
  readonly tellsMissing: boolean;
}

/** Opens the loader of the engine that the environment, or a docker context, names; nothing is connected yet. */
export async function openDockerLoader(
  env: Readonly<Record<string, string | undefined>>,
  context = "",
): Promise<DockerLoader> {
  return new DockerLoader(new EngineClient(await dockerEndpoint(env, context)));
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
    this.#form ??= this.#findForm(signal);
    const { form, tellsMissing } = await this.#form.catch((error: unknown) => {
      this.#form = undefined;
      throw error;
    });
    const id = form === "oci" ? image.manifest : image.config;
    if (form === "oci" && !tellsMissing) return { complete: false, knownLayers: 0, form };
    if (
      form === "oci" ? await this.#isWhole(id, signal) : (await this.#find(`/images/${id}/json`, signal)) !== undefined
    ) {
      for (const name of image.names) await this.#tag(id, name, signal);
      return { complete: true, knownLayers: image.layers.length, form };
    }
    return { complete: false, knownLayers: await this.#known(image, signal), form };
  }

  async load(
    image: LoadedImage,
    write: (stream: NodeJS.WritableStream) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let failure = await this.#send(write, signal);
    const form = await this.#form;
    // containerd's store takes an image whose layers are not there, and finds out when it is to run.
    if (failure === undefined && form?.tellsMissing === true && !(await this.#isWhole(image.manifest, signal)))
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

  /** Whether containerd's store has an image with all of its blobs. */
  async #isWhole(manifest: string, signal: AbortSignal): Promise<boolean> {
    const found = await this.#find(`/images/${manifest}/json?manifests=1`, signal);
    const manifests = (found as { Manifests?: { ID?: string; Available?: boolean }[] } | undefined)?.Manifests;
    return manifests?.some(({ ID, Available }) => ID === manifest && Available === true) === true;
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
      const image = await this.#find(`/images/${id}/json`, signal);
      const given = (image as { RootFS?: { Layers?: unknown } } | undefined)?.RootFS?.Layers;
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
