// `enter PID DIR PROGRAM...`: runs a program where a supervisor is, in its mount and process namespaces and in the folder given, with our
// own standard streams. Ends as the program ends.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void pass_on(int signal) {
  if (child > 0) kill(child, signal);
}

static void enter(const char *pid, const char *name, int kind) {
  char path[64];
  format(path, sizeof path, "/proc/%.20s/ns/%s", pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, kind) != 0) {
    dprintf(2, "can't enter the container's namespaces: %s\n", strerror(errno));
    _exit(125);
  }
  close(fd);
}

int enter_main(int argc, char **argv) {
  if (argc < 4) return 125;
  // The file of the process namespace is looked up before the mounts change.
  char path[64];
  format(path, sizeof path, "/proc/%.20s/ns/mnt", argv[1]);
  int mounts = open(path, O_RDONLY | O_CLOEXEC);
  enter(argv[1], "pid", CLONE_NEWPID);
  if (mounts < 0 || setns(mounts, CLONE_NEWNS) != 0 || chdir(argv[2]) != 0) {
    dprintf(2, "can't enter the container's mounts: %s\n", strerror(errno));
    return 125;
  }
  child = fork();
  if (child < 0) return 125;
  if (child == 0) {
    execvp(argv[3], argv + 3);
    dprintf(2, "%s: %s\n", argv[3], strerror(errno));
    _exit(127);
  }
  const int passed[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
  for (size_t at = 0; at < sizeof passed / sizeof *passed; at++) signal(passed[at], pass_on);
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return 125;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
