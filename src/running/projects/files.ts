// Secrets and configs as a container has them: a file of the machine is mounted as it is, so that it can change; what has an owner or mode
// of its own, or stands in a variable or in the compose file, is written into the container's root.
// Counterpart: docker/compose pkg/compose/secrets.go, create.go buildContainerSecretMounts.

import { posix } from "node:path";
import { readFileSync } from "node:fs";
import { errnoOf } from "../../base/index.ts";
import { composeError } from "../../frontends/compose/index.ts";
import type { RunFileSource, RunProject, RunService, ServiceFile } from "../../frontends/compose/index.ts";
import type { ContainerFile } from "../containers/index.ts";
import type { MountRequest } from "../volumes/index.ts";

/** @throws COMPOSE_INVALID for a file that is absent, a variable that is not set, or an external one. */
export function serviceFiles(
  service: RunService,
  project: RunProject,
): { files: ContainerFile[]; mounts: MountRequest[] } {
  const files: ContainerFile[] = [];
  const mounts: MountRequest[] = [];
  const add = (kind: "secret" | "config", each: ServiceFile, source: RunFileSource) => {
    if (source.external) {
      throw composeError(`unsupported external ${kind} ${source.name}`);
    }
    const target = targetOf(kind, each);
    const isPlain = each.uid === "" && each.gid === "" && each.mode === undefined;
    if (source.file !== "" && isPlain) {
      mounts.push({ kind: "bind", source: source.file, target, readOnly: true, createSource: false });
      return;
    }
    files.push({
      target,
      content: contentOf(kind, each.source, source, project),
      uid: idOf(each.uid, service, each),
      gid: idOf(each.gid, service, each),
      mode: each.mode ?? 0o444,
    });
  };
  for (const each of service.secrets) add("secret", each, project.secrets.get(each.source)!);
  for (const each of service.configs) add("config", each, project.configs.get(each.source)!);
  return { files, mounts };
}

function targetOf(kind: "secret" | "config", { source, target }: ServiceFile): string {
  const folder = kind === "secret" ? "/run/secrets" : "/";
  if (target === "") return posix.join(folder, source);
  return posix.isAbsolute(target) ? posix.normalize(target) : posix.join(folder, target);
}

function contentOf(kind: string, key: string, source: RunFileSource, project: RunProject): Uint8Array {
  if (source.content !== undefined) return Buffer.from(source.content);
  if (source.environment !== "") {
    const value = project.environment.get(source.environment);
    if (value === undefined) {
      throw composeError(
        `environment variable ${JSON.stringify(source.environment)} required by ${kind} ${JSON.stringify(key)} is not set`,
      );
    }
    return Buffer.from(value);
  }
  try {
    return readFileSync(source.file);
  } catch (error) {
    const reason = errnoOf(error) === "ENOENT" ? "no such file or directory" : (errnoOf(error) ?? "can't be read");
    throw composeError(`${kind} ${JSON.stringify(key)}: open ${source.file}: ${reason}`, { cause: error });
  }
}

function idOf(text: string, { name }: RunService, { source }: ServiceFile): number {
  if (text === "") return 0;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw composeError(
    `service ${JSON.stringify(name)}: ${source}: uid and gid are numbers, not ${JSON.stringify(text)}`,
  );
}
