// The labels by which a project's containers, networks and volumes are known: no other record says what belongs to whom.
// Counterpart: docker/compose pkg/api/labels.go.

import type { Container } from "../containers/index.ts";

const prefix = "com.docker.compose";

export const label = {
  project: `${prefix}.project`,
  service: `${prefix}.service`,
  number: `${prefix}.container-number`,
  oneoff: `${prefix}.oneoff`,
  configHash: `${prefix}.config-hash`,
  image: `${prefix}.image`,
  workingDir: `${prefix}.project.working_dir`,
  configFiles: `${prefix}.project.config_files`,
  environmentFile: `${prefix}.project.environment_file`,
  dependsOn: `${prefix}.depends_on`,
  replace: `${prefix}.replace`,
  network: `${prefix}.network`,
  volume: `${prefix}.volume`,
  version: `${prefix}.version`,
} as const;

/** The labels' format, as the Compose release that it is of. */
export const labelVersion = "2.40.0";

/** A container as a project sees it. */
export interface Member {
  readonly container: Container;
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly number: number;
  readonly oneoff: boolean;
  readonly configHash: string;
  /** Digest of the image that it was made of. */
  readonly image: string;
}

export function memberOf(container: Container): Member {
  const at = (name: string) => container.labels[name] ?? "";
  return {
    container,
    id: container.id,
    name: container.name,
    service: at(label.service),
    number: Number(at(label.number)) || 0,
    oneoff: at(label.oneoff) === "True",
    configHash: at(label.configHash),
    image: at(label.image),
  };
}

/** What prefixes its lines: `web-1`, or the name that the file gives it. */
export function shortName({ name, service, number }: Member, project: string): string {
  return name === `${project}-${service}-${number}` ? `${service}-${number}` : name;
}

export function isRunning({ container }: Member): boolean {
  return ["running", "restarting", "paused"].includes(container.state.status);
}
