export type {
  Attachment,
  AttachOptions,
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerFile,
  ContainerFilter,
  ContainerImage,
  ContainerResources,
  Containers,
  ContainerState,
  ContainerStats,
  ContainerStatus,
  ExecConfig,
  Healthcheck,
  HealthState,
  LogConfig,
  LogEntry,
  LogOptions,
  CopyInOptions,
  CopyOutOptions,
  OnNotice,
  PathStat,
  RestartPolicy,
  Streams,
  Ulimit,
} from "./types.ts";
export { openContainers } from "./local-containers.ts";
export type { ContainersOptions } from "./local-containers.ts";
export { localTree } from "./copy.ts";
export { containerFindings } from "./findings.ts";
