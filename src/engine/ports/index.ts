export type { OutputTarget, SessionPort } from "./session-port.ts";
