// Starting programs from a process that has its signals blocked and may be the first of its namespace.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int lock_fd = -1;

static char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static void place(int fd, int target) {
  if (fd < 0) fd = open("/dev/null", O_RDWR);
  if (fd == target) fcntl(fd, F_SETFD, 0);
  else dup2(fd, target);
}

pid_t spawn_program(const struct spawn *spawn) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  sigset_t none;
  sigemptyset(&none);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (spawn->netns >= 0 && setns(spawn->netns, CLONE_NEWNET) != 0) _exit(127);
  // Above the low numbers first, so that no placement overwrites another's source.
  int in = spawn->in < 0 ? -1 : fcntl(spawn->in, F_DUPFD_CLOEXEC, 10);
  int out = spawn->out < 0 ? -1 : fcntl(spawn->out, F_DUPFD_CLOEXEC, 10);
  int err = spawn->err < 0 ? -1 : fcntl(spawn->err, F_DUPFD_CLOEXEC, 10);
  int extra = spawn->extra < 0 ? -1 : fcntl(spawn->extra, F_DUPFD_CLOEXEC, 10);
  place(in, 0);
  place(out, 1);
  place(err, 2);
  if (extra >= 0) place(extra, 3);
  if (spawn->locked) fcntl(lock_fd, F_SETFD, 0);
  execvpe(spawn->argv[0], spawn->argv, environment);
  dprintf(2, "%s: %s\n", spawn->argv[0], strerror(errno));
  _exit(127);
}

bool run_program(char *const *argv, int netns, char *error, size_t error_size) {
  int pipes[2];
  error[0] = 0;
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    format(error, error_size, "%s", strerror(errno));
    return false;
  }
  pid_t pid = spawn_program(&(struct spawn){.argv = argv, .in = -1, .out = -1, .err = pipes[1], .netns = netns, .extra = -1});
  close(pipes[1]);
  size_t got = 0;
  char rest[512];
  for (;;) {
    bool room = got + 1 < error_size;
    ssize_t now = read(pipes[0], room ? error + got : rest, room ? error_size - 1 - got : sizeof rest);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) break;
    if (room) got += (size_t)now;
  }
  close(pipes[0]);
  while (got > 0 && error[got - 1] == '\n') got--;
  error[got] = 0;
  int status;
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  if (error[0] == 0) format(error, error_size, "%s failed", argv[0]);
  return false;
}
