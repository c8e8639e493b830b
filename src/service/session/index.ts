export { blobInfo, readBlob } from "./content-reads.ts";
export { LocalSession, openLocalSession } from "./local-session.ts";
export type { LocalSessionOptions, SecretSource, SshSource } from "./local-session.ts";
export { FolderSync } from "./remote-sync.ts";
export { RemoteSession } from "./remote-session.ts";
export type { RemoteSessionHost } from "./remote-session.ts";
export { RemoteSessions } from "./remote-sessions.ts";
export { sessionMetadata, sessionServer } from "./serve-session.ts";
export type { ServeSessionOptions, SessionServer } from "./serve-session.ts";
