// Another program's image store on this machine or near it, into which an image is put: Docker Engine's, classic or containerd's.

import type { Digest } from "../../base/index.ts";

/** What an image consists of, for a look at what is there already. */
export interface LoadedImage {
  /** Full names; may be none. */
  readonly names: readonly string[];
  readonly manifest: Digest;
  readonly config: Digest;
  /** Bottom first. */
  readonly layers: readonly { readonly diffId: Digest; readonly blob: Digest }[];
}

/** What a store has of an image. */
export interface LoadSurvey {
  /** The whole image, under its names. */
  readonly complete: boolean;
  /** How many of the layers, from the bottom, are there. It may be a guess: a load that needs more fails. */
  readonly knownLayers: number;
  /** The archive that it takes: `docker save`'s, or an OCI layout. */
  readonly form: "docker" | "oci";
}

export interface ImageLoader {
  /** What it is and where, for messages: "docker at unix:///var/run/docker.sock". */
  readonly name: string;
  /** Looks, and gives the image its names where all of it is there. @throws ENGINE_UNREACHABLE, ENGINE_FAILED. */
  survey(image: LoadedImage, signal: AbortSignal): Promise<LoadSurvey>;
  /**
   * Takes an archive of an image; `write` writes it to the stream and does not end it.
   * @throws ENGINE_UNREACHABLE; LOAD_FAILED, also when a layer that was left out is not there after all.
   */
  load(image: LoadedImage, write: (stream: NodeJS.WritableStream) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** The form that it takes best. @throws ENGINE_UNREACHABLE, ENGINE_FAILED. */
  form(signal: AbortSignal): Promise<"docker" | "oci">;
  /** Takes an archive that is whole, of whatever image. @throws ENGINE_UNREACHABLE, LOAD_FAILED. */
  loadArchive(write: (stream: NodeJS.WritableStream) => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Runs one look with the load that follows at a time for each `key`, so that a layer that images share is sent once. */
  exclusive<T>(key: string, work: () => Promise<T>): Promise<T>;
}
