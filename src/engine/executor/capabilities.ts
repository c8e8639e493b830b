// Linux capabilities of steps: the usual container set, or everything that we have ourselves.

import { readFileSync } from "node:fs";

/** By bit number. Spec: linux/capability.h. */
const names = [
  "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
  "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
  "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
  "PERFMON", "BPF", "CHECKPOINT_RESTORE",
]; // prettier-ignore

/** What sandboxed steps may do: the set that containerd and BuildKit give. */
export const sandboxCapabilities: readonly string[] = [
  "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
  "SYS_CHROOT", "KILL", "AUDIT_WRITE",
].map((name) => `CAP_${name}`); // prettier-ignore

/** Whether there is such a capability: `CAP_NET_ADMIN`. */
export function isCapability(name: string): boolean {
  return name.startsWith("CAP_") && names.includes(name.slice("CAP_".length));
}

/** All capabilities of this process's bounding set: a machine that withholds some can't give them to insecure steps either. */
export function ownCapabilities(): string[] {
  const bounding = BigInt(
    `0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  return names.filter((_, bit) => (bounding >> BigInt(bit)) & 1n).map((name) => `CAP_${name}`);
}
