// Which system calls a sandboxed step may not make: those that reach past its namespaces (kernel modules, keyrings, BPF, raw
// performance counters, clocks, new user namespaces) although its capabilities already forbid most of them.
// Spec: OCI runtime-spec config-linux.md#seccomp. Differs: BuildKit lists what is allowed; a list of what is refused costs the
// kernel less per step and does not break programs on system calls that are newer than the list.

const EPERM = 1;
const ENOSYS = 38;
const CLONE_NEWUSER = 0x10000000;

const refused = [
  "acct", "add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init", "finit_module",
  "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm",
  "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount", "mount_setattr", "move_mount",
  "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root",
  "process_vm_readv", "process_vm_writev", "quotactl", "quotactl_fd", "reboot", "request_key", "setdomainname", "sethostname",
  "setns", "settimeofday", "stime", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare", "uselib", "userfaultfd",
  "ustat", "vhangup", "vm86", "vm86old",
]; // prettier-ignore

/** What a capability gives back, as docker's profile has it. */
const allowedBy: Readonly<Record<string, readonly string[]>> = {
  CAP_SYS_ADMIN: [
    "bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr", "move_mount",
    "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2",
    "unshare", "clone", "clone3", "pivot_root",
  ],
  CAP_SYS_MODULE: ["delete_module", "init_module", "finit_module"],
  CAP_SYS_PTRACE: ["kcmp", "process_vm_readv", "process_vm_writev"],
  CAP_SYS_RAWIO: ["iopl", "ioperm"],
  CAP_SYS_TIME: ["settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex"],
  CAP_SYS_TTY_CONFIG: ["vhangup"],
  CAP_SYS_NICE: ["move_pages"],
  CAP_SYSLOG: ["syslog"],
  CAP_BPF: ["bpf"],
  CAP_PERFMON: ["perf_event_open"],
  CAP_SYS_BOOT: ["reboot"],
  CAP_SYS_PACCT: ["acct"],
  CAP_DAC_READ_SEARCH: ["open_by_handle_at", "name_to_handle_at"],
}; // prettier-ignore

/** The profile of what is not `--security=insecure` or privileged; capabilities beyond the usual ones give back what needs them. */
export function seccompProfile(capabilities: readonly string[] = []): Record<string, unknown> {
  const given = new Set(capabilities.flatMap((name) => allowedBy[name] ?? []));
  const architectures =
    process.arch === "arm64"
      ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
      : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures,
    syscalls: [
      { names: refused.filter((name) => !given.has(name)), action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      // The flags of clone3 are behind a pointer and can't be looked at: C libraries fall back to clone.
      ...(given.has("clone3") ? [] : [{ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS }]),
      ...(given.has("clone")
        ? []
        : [
            {
              names: ["clone"],
              action: "SCMP_ACT_ERRNO",
              errnoRet: EPERM,
              args: [{ index: 0, value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER, op: "SCMP_CMP_MASKED_EQ" }],
            },
          ]),
    ],
  };
}
