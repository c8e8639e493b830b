export { cachePlaces } from "./cache-places.ts";
export { connectionOver } from "./connection.ts";
export type { BuildkitConnection } from "./connection.ts";
export { openSession } from "./open-session.ts";
export type { OpenedSession } from "./open-session.ts";
export { fromRemote, sourcesOf } from "./remote-error.ts";
export { solveRemotely } from "./remote-solve.ts";
export { askCapabilities } from "./capabilities.ts";
export type { Capabilities } from "./capabilities.ts";
