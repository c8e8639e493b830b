export type { Finding } from "./finding.ts";
export { machineFindings } from "./machine.ts";
export { builderFindings, engineFinding, registryFindings } from "./reach.ts";
