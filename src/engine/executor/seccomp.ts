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

/** The profile of steps that are not `--security=insecure`. */
export function seccompProfile(): Record<string, unknown> {
  const architectures =
    process.arch === "arm64"
      ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
      : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures,
    syscalls: [
      { names: refused, action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      // The flags of clone3 are behind a pointer and can't be looked at: C libraries fall back to clone.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      {
        names: ["clone"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: EPERM,
        args: [{ index: 0, value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER, op: "SCMP_CMP_MASKED_EQ" }],
      },
    ],
  };
}
