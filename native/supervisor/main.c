// slipway-supervisor: one small process beside each container, and the few other programs that containers need.
//   run DIR               supervises the container of a folder (src/running/containers)
//   enter PID DIR ARGV    runs a program inside a supervisor's namespaces
//   copy-out, copy-in,
//   stat                  entries of a container's tree (src/running/containers/copy.ts)
//   init -- ARGV          a container's own first process; also under the name docker-init
//   net CONFIG            names and published ports of a container's network (src/running/networks)

#include "copy.h"
#include "net.h"
#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct start start;
static bool network_began;

// Only before the container runs: the command that started us reads the reason.
_Noreturn void fail(const char *text, ...) {
  char message[2000];
  va_list args;
  va_start(args, text);
  vsnprintf(message, sizeof message, text, args);
  va_end(args);
  dprintf(1, "error %s\n", message);
  if (network_began) network_down(&start);
  _exit(1);
}

static int open_joined(void) {
  if (strcmp(start.netns, "join") != 0) return -1;
  int fd = open(start.netns_path == NULL ? "" : start.netns_path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("the network namespace to join is gone: %s", strerror(errno));
  return fd;
}

static int run_main(int argc, char **argv) {
  if (argc != 2 || chdir(argv[1]) != 0) fail("%s: %s", argc == 2 ? argv[1] : "run", strerror(errno));
  umask(022);
  signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  int opened = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  // Out of the way of the numbers that programs' streams get.
  lock_fd = fcntl(opened, F_DUPFD_CLOEXEC, 20);
  close(opened);
  if (lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) != 0) fail("busy");
  start_read(&start);
  state_open();
  int joined = open_joined();
  if (start.own_pids && unshare(CLONE_NEWPID) != 0) fail("can't make a process namespace: %s", strerror(errno));
  // The parent ends at once, so that we are nobody's child; the lock is shared with it.
  pid_t child = fork();
  if (child < 0) fail("%s", strerror(errno));
  if (child > 0) _exit(0);
  state_self();
  if (!start.own_pids) prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (unshare(CLONE_NEWNS) != 0) fail("can't make a mount namespace: %s", strerror(errno));
  mount_root(&start);
  network_began = true;
  for (size_t at = 0; at < start.members.count; at++)
    if (!lock_member(start.members.items[at])) fail("%s: %s", start.members.items[at], strerror(errno));
  int netns = make_network(&start, joined);
  network_up(&start, netns);
  control_open();
  int ready = fcntl(1, F_DUPFD_CLOEXEC, 3);
  dprintf(ready, "ready %d\n", state.machine_self);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, 0);
  dup2(null, 1);
  dup2(null, 2);
  life_run(&start, ready);
}

int main(int argc, char **argv) {
  const struct {
    const char *name;
    int (*main)(int argc, char **argv);
  } programs[] = {
      {"run", run_main},
      {"enter", enter_main},
      {"init", init_main},
      {"net", net_main},
      {"copy-out", copy_out_main},
      {"copy-in", copy_in_main},
      {"stat", stat_main},
  };
  const char *own = strrchr(argv[0], '/');
  if (strcmp(own == NULL ? argv[0] : own + 1, "docker-init") == 0) return init_main(argc, argv);
  for (size_t at = 0; argc > 1 && at < sizeof programs / sizeof *programs; at++)
    if (strcmp(argv[1], programs[at].name) == 0) return programs[at].main(argc - 1, argv + 1);
  dprintf(2, "slipway-supervisor is started by slipway, not by hand\n");
  return 2;
}
