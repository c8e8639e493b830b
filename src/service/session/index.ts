export { LocalSession, openLocalSession } from "./local-session.ts";
export { readPrivateKey } from "./private-keys.ts";
export type { LocalSessionOptions, SecretSource, SshSource } from "./local-session.ts";
