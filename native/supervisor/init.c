// The first process of a container that was asked for an init (`--init`): starts the program, passes signals on, takes in orphans.
// Counterpart: krallin/tini.

#include "supervisor.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int init_main(int argc, char **argv) {
  int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
  if (first >= argc) return 1;
  sigset_t all, before;
  sigfillset(&all);
  const int own[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
  for (size_t at = 0; at < sizeof own / sizeof *own; at++) sigdelset(&all, own[at]);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    setpgid(0, 0);
    // Only a terminal of ours can be given away.
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, getpid());
    signal(SIGTTOU, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    execvp(argv[first], argv + first);
    int code = errno == ENOENT ? 127 : 126;
    dprintf(2, "exec %s failed: %s\n", argv[first], strerror(errno));
    _exit(code);
  }
  for (;;) {
    int signal = sigwaitinfo(&all, NULL);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      kill(child, signal);
      continue;
    }
    for (;;) {
      int status;
      pid_t pid = waitpid(-1, &status, WNOHANG);
      if (pid <= 0) break;
      if (pid == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
}
