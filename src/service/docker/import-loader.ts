// Other programs' image stores, filled by their own commands: containerd by ctr or nerdctl, Podman by podman. They take whole archives;
// an image that is there already is not sent again.

import { PassThrough } from "node:stream";
import { BuildError, errnoOf } from "../../base/index.ts";
import { Semaphore } from "../../base/index.ts";
import type { ImageLoader, LoadedImage, LoadSurvey } from "../../engine/index.ts";
import { runToEnd } from "../../system/process/index.ts";

export const importers = ["containerd", "nerdctl", "podman"] as const;
export type Importer = (typeof importers)[number];

export interface ImportLoaderOptions {
  readonly importer: Importer;
  /** Of containerd; "default" by default, which Kubernetes does not look into: that is "k8s.io". */
  readonly namespace?: string | undefined;
  /** containerd's socket. */
  readonly address?: string | undefined;
}

interface Commands {
  readonly load: readonly string[];
  /** Prints, for a name, what tells the image: a line with its digest, or with its ID. */
  readonly look: (name: string) => readonly string[];
  readonly form: "docker" | "oci";
}

const PACKAGES: Readonly<Record<Importer, string>> = {
  containerd: "containerd (ctr)",
  nerdctl: "nerdctl",
  podman: "podman",
};

export class ImportLoader implements ImageLoader {
  readonly name: string;
  readonly #commands: Commands;
  readonly #program: string;
  readonly #importer: Importer;
  readonly #turn = new Semaphore(1);

  constructor(options: ImportLoaderOptions) {
    const { importer, namespace, address } = options;
    const place = [
      ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
      ...(address === undefined ? [] : [address]),
    ];
    this.name = place.length === 0 ? importer : `${importer} (${place.join(", ")})`;
    this.#importer = importer;
    this.#commands = commandsOf(options);
    this.#program = this.#commands.load[0]!;
  }

  async survey(image: LoadedImage, signal: AbortSignal): Promise<LoadSurvey> {
    const { form, look } = this.#commands;
    const wanted = [image.manifest, image.config].map((digest) => digest.slice("sha256:".length));
    const found = await Promise.all(
      image.names.map(async (name) => {
        const { exitCode, stdout } = await this.#run(look(name), signal);
        const text = stdout.toString("utf8");
        return exitCode === 0 && wanted.some((digest) => text.includes(digest));
      }),
    );
    return { complete: found.length > 0 && found.every(Boolean), knownLayers: 0, form };
  }

  load(
    _image: LoadedImage,
    write: (stream: NodeJS.WritableStream) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    return this.loadArchive(write, signal);
  }

  form(): Promise<"docker" | "oci"> {
    return Promise.resolve(this.#commands.form);
  }

  async loadArchive(write: (stream: NodeJS.WritableStream) => Promise<void>, signal: AbortSignal): Promise<void> {
    const pipe = new PassThrough({ highWaterMark: 1 << 20 });
    // A command that ends early leaves its input unread.
    pipe.on("error", () => undefined);
    const running = this.#run(this.#commands.load, signal, pipe);
    const writing = write(pipe).then(() => void pipe.end());
    writing.catch((error: unknown) => pipe.destroy(error instanceof Error ? error : new Error(String(error))));
    const { exitCode, stderr } = await Promise.race([running, writing.then(() => running)]);
    if (exitCode === 0) return await writing;
    pipe.destroy();
    await writing.catch(() => undefined);
    const said = stderr.toString("utf8").trim().slice(-500);
    throw new BuildError(`${this.name} did not take the image: ${said || `exit code ${exitCode}`}`, {
      code: /no space left/i.test(said) ? "DISK_FULL" : "LOAD_FAILED",
      status: "FailedPrecondition",
      hint: "the image is whole here: -o type=oci,dest=FILE writes it for you to try by hand",
    });
  }

  exclusive<T>(_key: string, work: () => Promise<T>): Promise<T> {
    return this.#turn.run(work);
  }

  async #run(argv: readonly string[], signal: AbortSignal, stdin?: AsyncIterable<Uint8Array>) {
    try {
      return await runToEnd(argv, { signal, ...(stdin === undefined ? {} : { stdin }) });
    } catch (error) {
      signal.throwIfAborted();
      if (errnoOf(error) !== "ENOENT") throw error;
      throw new BuildError(`${this.#program} is not installed`, {
        code: "ENGINE_UNREACHABLE",
        status: "Unavailable",
        hint: `install ${PACKAGES[this.#importer]}, or load into Docker with --load`,
        cause: error,
      });
    }
  }
}

function commandsOf({ importer, namespace = "default", address }: ImportLoaderOptions): Commands {
  const where = address === undefined ? [] : ["--address", address];
  switch (importer) {
    case "containerd": {
      const ctr = ["ctr", ...where, "--namespace", namespace, "images"];
      return {
        load: [...ctr, "import", "--digests=false", "-"],
        look: (name) => [...ctr, "ls", `name==${name}`],
        form: "oci",
      };
    }
    case "nerdctl": {
      const nerdctl = ["nerdctl", ...where, "--namespace", namespace];
      return {
        load: [...nerdctl, "load"],
        look: (name) => [...nerdctl, "image", "inspect", "--mode=native", "--format", "{{.Image.Target.Digest}}", name],
        form: "oci",
      };
    }
    case "podman": {
      const podman = ["podman", ...(address === undefined ? [] : ["--url", address])];
      return {
        load: [...podman, "load"],
        look: (name) => [...podman, "image", "inspect", "--format", "{{.Id}}", name],
        form: "docker",
      };
    }
  }
}

/** @throws EXPORT_ATTRIBUTE_INVALID for a program that is not known. */
export function openImportLoader(into: string, place: Omit<ImportLoaderOptions, "importer">): ImportLoader {
  const importer = importers.find((name) => name === into);
  if (importer !== undefined) return new ImportLoader({ importer, ...place });
  throw new BuildError(`can't load into ${JSON.stringify(into)}`, {
    code: "EXPORT_ATTRIBUTE_INVALID",
    status: "InvalidArgument",
    hint: `into= knows ${importers.join(", ")}; without it the image goes to Docker`,
  });
}
