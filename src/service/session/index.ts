export { LocalSession, openLocalSession } from "./local-session.ts";
export type { LocalSessionOptions, SecretSource, SshSource } from "./local-session.ts";
