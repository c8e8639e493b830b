export { readPrivateKey } from "./private-keys.ts";
export type { SshKey } from "./private-keys.ts";
export { SshReader, sshString, sshUint32 } from "./ssh-wire.ts";
