export { BuilderConfigs, driverNames } from "./builder-config.ts";
export type { BuilderConfig, DriverName, NodeConfig } from "./builder-config.ts";
