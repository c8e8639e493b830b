// Ended children. The container's first process becomes ours only when the runtime that started it is gone, and may have ended by then:
// statuses are kept until somebody asks for them.

#include "supervisor.h"
#include <errno.h>
#include <sys/wait.h>

#define KEPT 64

static struct {
  pid_t pid;
  int status;
} kept[KEPT];
static unsigned next;

bool reap_all(void) {
  bool any = false;
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return any;
    any = true;
    kept[next].pid = pid;
    kept[next].status = status;
    next = (next + 1) % KEPT;
  }
}

bool reap_status(pid_t pid, int *status) {
  for (unsigned at = 0; at < KEPT; at++) {
    if (kept[at].pid != pid || pid <= 0) continue;
    *status = kept[at].status;
    kept[at].pid = 0;
    return true;
  }
  return false;
}
