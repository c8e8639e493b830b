export { parseDaemonConfig } from "./config.ts";
export type { DaemonConfig } from "./config.ts";
export { Daemon } from "./daemon.ts";
export type { DaemonOptions } from "./daemon.ts";
export { initTls } from "./tls-files.ts";
