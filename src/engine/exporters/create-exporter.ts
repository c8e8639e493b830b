// Which exporter a type names. Counterpart: moby/buildkit worker/base/worker.go Exporter.

import { BuildError } from "../../base/index.ts";
import { ImageExporter } from "./image-exporter.ts";
import { LayoutExporter } from "./layout-exporter.ts";
import { LocalExporter, TarExporter } from "./tree-exporter.ts";
import type { Exporter } from "./types.ts";

/**
 * Makes the exporter of a type with its attributes, all of them checked, so that nothing is built in vain.
 *
 * @throws EXPORTER_UNKNOWN, EXPORT_ATTRIBUTE_INVALID, EXPORT_UNSUPPORTED, INVALID_REFERENCE.
 */
export function createExporter(type: string, attributes: Readonly<Record<string, string>>): Exporter {
  switch (type) {
    case "image":
      return new ImageExporter(attributes);
    case "oci":
    case "docker":
      return new LayoutExporter(type, attributes);
    case "local":
      return new LocalExporter(attributes);
    case "tar":
      return new TarExporter(attributes);
    default:
      throw new BuildError(`exporter ${JSON.stringify(type)} could not be found`, {
        code: "EXPORTER_UNKNOWN",
        status: "NotFound",
        hint: "known types are image, local, tar, oci and docker",
      });
  }
}
