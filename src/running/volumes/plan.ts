// What the mounts of a container become. Volumes here are folders below the state root; their content is not yet the image's.

import { mkdirSync, statSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BuildError } from "../../base/index.ts";
import type { ContainerMount, MountAsker, MountRequest } from "./types.ts";

/** Makes what is missing and tells what to mount, in the order asked. @throws MOUNT_SOURCE_MISSING. */
export function planMounts(requests: readonly MountRequest[], asker: MountAsker): Promise<ContainerMount[]> {
  return Promise.resolve(requests.map((request) => plan(request, asker)));
}

function plan(request: MountRequest, asker: MountAsker): ContainerMount {
  const access = request.readOnly ? "ro" : "rw";
  const { target, readOnly } = request;
  switch (request.kind) {
    case "bind": {
      if (statSync(request.source, { throwIfNoEntry: false }) === undefined) {
        if (!request.createSource)
          throw new BuildError(
            `invalid mount config for type "bind": bind source path does not exist: ${request.source}`,
            {
              code: "MOUNT_SOURCE_MISSING",
              status: "InvalidArgument",
            },
          );
        mkdirSync(request.source, { recursive: true });
      }
      return { kind: "bind", source: request.source, target, readOnly, options: ["rbind", "rprivate", access] };
    }
    case "volume": {
      const anonymous = request.name === "";
      const name = anonymous ? randomBytes(32).toString("hex") : request.name;
      const source = join(asker.root, "volumes", name, "_data");
      mkdirSync(source, { recursive: true });
      return {
        kind: "volume",
        source,
        target,
        readOnly,
        options: ["rbind", "rprivate", access],
        volumeName: name,
        anonymous,
      };
    }
    case "tmpfs":
      return {
        kind: "tmpfs",
        source: "",
        target,
        readOnly,
        options: ["nosuid", "nodev", "noexec", ...(request.options?.split(",") ?? [])],
      };
  }
}
