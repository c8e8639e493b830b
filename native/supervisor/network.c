// Carries out a network plan: locks, commands, helpers. What they mean is known to src/running/networks alone.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER_PATIENCE_MS 15000

static struct member {
  char *path;
  int fd;
  struct member *next;
} *members;

static struct helper {
  pid_t pid;
  struct helper *next;
} *helpers;

bool lock_member(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat stat;
  // Shared: the command that made the file holds it as well until we do. A file without a name was swept meanwhile.
  if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0 || fstat(fd, &stat) != 0 || stat.st_nlink == 0) {
    if (fd >= 0) close(fd);
    return false;
  }
  struct member *member = must(malloc(sizeof *member));
  *member = (struct member){.path = must(strdup(path)), .fd = fd, .next = members};
  members = member;
  return true;
}

// The word `@NETNS@`, wherever it stands, is the path of the namespace's file.
static void fill_in(char **words) {
  char cwd[PATH_MAX];
  if (getcwd(cwd, sizeof cwd) == NULL) return;
  for (; *words != NULL; words++) {
    char *mark = strstr(*words, "@NETNS@");
    if (mark == NULL) continue;
    size_t size = strlen(*words) + strlen(cwd) + 16;
    char *whole = must(malloc(size));
    format(whole, size, "%.*s%s/netns%s", (int)(mark - *words), *words, cwd, mark + strlen("@NETNS@"));
    *words = whole;
  }
}

static bool run_all(const struct list *commands, int netns, char *error, size_t size) {
  for (size_t at = 0; at < commands->count; at++) {
    char **words = split_words(commands->items[at]);
    fill_in(words);
    bool good = run_program(words, netns, error, size);
    free(words);
    if (!good) return false;
  }
  return true;
}

static void start_helper(const char *text, int netns) {
  char **words = split_words(text);
  size_t count = 0;
  while (words[count] != NULL) count++;
  char **argv = must(calloc(count + 2, sizeof *argv));
  argv[0] = "/proc/self/exe";
  memcpy(argv + 1, words, count * sizeof *argv);
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) fail("%s", strerror(errno));
  pid_t pid = spawn_program(&(struct spawn){.argv = argv, .in = -1, .out = pipes[1], .err = -1, .netns = -1, .extra = netns});
  close(pipes[1]);
  free(argv);
  if (pid < 0) fail("%s", strerror(errno));
  struct helper *helper = must(malloc(sizeof *helper));
  *helper = (struct helper){.pid = pid, .next = helpers};
  helpers = helper;
  char line[1024];
  size_t got = 0;
  int64_t end = monotonic_ns() + HELPER_PATIENCE_MS * 1000000LL;
  while (got < sizeof line - 1 && memchr(line, '\n', got) == NULL) {
    int64_t left = (end - monotonic_ns()) / 1000000;
    struct pollfd wait = {.fd = pipes[0], .events = POLLIN};
    if (left <= 0 || poll(&wait, 1, (int)left) <= 0) break;
    ssize_t now = read(pipes[0], line + got, sizeof line - 1 - got);
    if (now <= 0) break;
    got += (size_t)now;
  }
  close(pipes[0]);
  line[got] = 0;
  line[strcspn(line, "\n")] = 0;
  if (strcmp(line, "ok") != 0) fail("%s", line[0] == 0 ? "a helper of the network does not start" : line);
}

void network_up(const struct start *start, int netns) {
  char error[1500];
  if (!run_all(&start->host_up, -1, error, sizeof error) || !run_all(&start->inside_up, netns, error, sizeof error))
    fail("%s", error);
  for (size_t at = 0; at < start->helpers.count; at++) start_helper(start->helpers.items[at], netns);
}

void network_down(const struct start *start) {
  for (; helpers != NULL; helpers = helpers->next) {
    kill(helpers->pid, SIGKILL);
    waitpid(helpers->pid, NULL, 0);
  }
  char error[512];
  for (size_t at = 0; at < start->host_down.count; at++) {
    struct list one = {.items = start->host_down.items + at, .count = 1};
    run_all(&one, -1, error, sizeof error);
  }
  for (; members != NULL; members = members->next) {
    unlink(members->path);
    close(members->fd);
  }
}
