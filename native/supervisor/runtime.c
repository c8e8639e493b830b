// Starting and clearing away with an OCI runtime (runc or crun). It runs detached and is gone once the container runs; what it leaves
// is ours to remove. Counterpart: containerd/go-runc, shim.

#include "supervisor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"


// Whole paths: runtimes change to the bundle's folder at one time or another.
const char *in_runtime(const char *name) {
  char cwd[PATH_MAX];
  size_t size = PATH_MAX + 64;
  char *path = must(malloc(size));
  format(path, size, "%s/runtime%s%s", getcwd(cwd, sizeof cwd) == NULL ? "." : cwd, *name ? "/" : "", name);
  return path;
}

char **runtime_argv(const struct start *start, const char *const *more) {
  size_t count = start->runtime.count + 3;
  for (const char *const *at = more; *at != NULL; at++) count++;
  char **argv = must(calloc(count + 1, sizeof *argv));
  size_t used = 0;
  for (size_t at = 0; at < start->runtime.count; at++) argv[used++] = start->runtime.items[at];
  argv[used++] = "--root";
  static const char *root;
  if (root == NULL) root = in_runtime("");
  argv[used++] = (char *)root;
  for (size_t at = 0; more[at] != NULL; at++) argv[used++] = (char *)more[at];
  return argv;
}

bool runtime_command(const struct start *start, const char *verb, char *error, size_t size) {
  const char *more[] = {verb, start->id, NULL};
  char **argv = runtime_argv(start, more);
  bool good = run_program(argv, -1, error, size);
  free(argv);
  return good;
}

// The runtime's log is a JSON object a line; the last one's msg says what went wrong.
static void last_message(char *into, size_t size) {
  char *text = must(malloc(65536));
  read_small(AT_FDCWD, "runtime/log", text, 65536);
  char *found = NULL;
  for (char *at = text; (at = strstr(at, "\"msg\":\"")) != NULL; at += 7) found = at + 7;
  size_t used = 0;
  for (char *at = found; at != NULL && *at != 0 && *at != '"' && used + 1 < size; at++) {
    if (*at == '\\' && at[1] != 0) {
      at++;
      into[used++] = *at == 'n' ? ' ' : *at;
    } else {
      into[used++] = *at;
    }
  }
  into[used] = 0;
  free(text);
}

static int code_of(const char *message) {
  const char *missing[] = {"executable file not found", "no such file or directory", "not found in $PATH"};
  const char *refused[] = {"permission denied", "exec format error", "is a directory", "not a directory"};
  if (strstr(message, "exec") == NULL) return 125;
  // Errors of mounts also speak of files that are not there.
  if (strstr(message, "mount") != NULL && strstr(message, "exec: ") == NULL) return 125;
  for (size_t at = 0; at < sizeof missing / sizeof *missing; at++)
    if (strstr(message, missing[at]) != NULL) return 127;
  for (size_t at = 0; at < sizeof refused / sizeof *refused; at++)
    if (strstr(message, refused[at]) != NULL) return 126;
  return 125;
}

static int console_listen(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "runtime/tty"};
  unlink("runtime/tty");
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0) {
    if (fd >= 0) close(fd);
    return -1;
  }
  return fd;
}

// The runtime sends the terminal's other end as a descriptor.
static int console_receive(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return -1;
  char name[4096];
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct iovec data = {.iov_base = name, .iov_len = sizeof name};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  int terminal = -1;
  if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) > 0) {
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
      memcpy(&terminal, CMSG_DATA(head), sizeof terminal);
  }
  close(fd);
  return terminal;
}

static void close_all(const int *fds, size_t count) {
  for (size_t at = 0; at < count; at++)
    if (fds[at] >= 0) close(fds[at]);
}

// What is between a runtime's start and its end.
static struct {
  pid_t pid;
  int console_listener;
  bool had_terminal;
} under_way = {.console_listener = -1};

bool runtime_begin(const struct start *start, struct streams *streams, char *error, size_t size) {
  // stdin read, write; stdout; stderr; console listener
  int fds[7] = {-1, -1, -1, -1, -1, -1, -1};
  *streams = (struct streams){-1, -1, -1};
  bool good = true;
  if (start->tty) good = (fds[6] = console_listen()) >= 0;
  else {
    good = pipe2(fds + 2, O_CLOEXEC) == 0 && pipe2(fds + 4, O_CLOEXEC) == 0;
    if (good && start->stdin_open) good = pipe2(fds, O_CLOEXEC) == 0;
  }
  if (!good) {
    format(error, size, "%s", strerror(errno));
    close_all(fds, 7);
    return false;
  }
  unlink("runtime/log");
  unlink("runtime/pid");
  char state_dir[128];
  format(state_dir, sizeof state_dir, "runtime/%s", start->id);
  remove_tree(AT_FDCWD, state_dir);
  static const char *log, *pid_file;
  if (log == NULL) log = in_runtime("log");
  if (pid_file == NULL) pid_file = in_runtime("pid");
  const char *plain[] = {"--log", log, "--log-format", "json", "run", "--detach", "--bundle", "bundle", "--pid-file", pid_file, start->id, NULL};
  // A socket's path may have 107 bytes; this one is looked up from the bundle.
  const char *terminal[] = {"--log", log, "--log-format", "json", "run", "--detach", "--bundle", "bundle", "--pid-file", pid_file, "--console-socket", "../runtime/tty", start->id, NULL};
  char **argv = runtime_argv(start, start->tty ? terminal : plain);
  pid_t pid = spawn_program(&(struct spawn){.argv = argv, .in = fds[0], .out = fds[3], .err = fds[5], .netns = -1, .extra = -1, .locked = true});
  free(argv);
  int theirs[] = {fds[0], fds[3], fds[5]};
  close_all(theirs, 3);
  under_way.pid = pid;
  under_way.console_listener = fds[6];
  under_way.had_terminal = false;
  *streams = (struct streams){.in = fds[1], .out = fds[2], .err = fds[4]};
  int ours[] = {streams->in, streams->out, streams->err};
  for (int at = 0; at < 3; at++)
    if (ours[at] >= 0) fcntl(ours[at], F_SETFL, fcntl(ours[at], F_GETFL) | O_NONBLOCK);
  if (pid > 0) return true;
  format(error, size, "%s", strerror(errno));
  return false;
}

int runtime_console_fd(void) {
  return under_way.console_listener;
}

void runtime_console(struct streams *streams) {
  if (under_way.console_listener < 0) return;
  int terminal = console_receive(under_way.console_listener);
  if (terminal < 0) return;
  close(under_way.console_listener);
  under_way.console_listener = -1;
  unlink("runtime/tty");
  fcntl(terminal, F_SETFL, fcntl(terminal, F_GETFL) | O_NONBLOCK);
  *streams = (struct streams){.in = terminal, .out = terminal, .err = -1};
  // It may have ended again by the time that the runtime has.
  under_way.had_terminal = true;
}

bool runtime_ended(int *status) {
  return reap_status(under_way.pid, status);
}

int runtime_result(const struct start *start, int status, struct streams *streams, pid_t *pid, char *error, size_t size) {
  if (start->tty) runtime_console(streams);
  if (under_way.console_listener >= 0) {
    close(under_way.console_listener);
    under_way.console_listener = -1;
  }
  under_way.pid = 0;
  char number[32];
  read_small(AT_FDCWD, "runtime/pid", number, sizeof number);
  *pid = atoi(number);
  bool has_terminal = !start->tty || under_way.had_terminal;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && *pid > 0 && has_terminal) return 0;
  if (streams->in == streams->out) streams->in = -1;
  int rest[] = {streams->in, streams->out, streams->err};
  close_all(rest, 3);
  *streams = (struct streams){-1, -1, -1};
  char message[1500];
  last_message(message, sizeof message);
  if (message[0] == 0) format(message, sizeof message, "%s ended with status %d", start->runtime.items[0], status);
  format(error, size, "%s", message);
  return code_of(message);
}

// Calls `visit` with the container's folder in every hierarchy there is.
static void each_cgroup(const struct start *start, void (*visit)(const char *path, void *with), void *with) {
  char path[PATH_MAX];
  format(path, sizeof path, CGROUPS "%s", start->cgroup);
  visit(path, with);
  DIR *dir = opendir(CGROUPS);
  struct dirent *entry;
  while (dir != NULL && (entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)) continue;
    format(path, sizeof path, CGROUPS "/%s%s", entry->d_name, start->cgroup);
    visit(path, with);
  }
  if (dir != NULL) closedir(dir);
}

// Only folders can be removed there, deepest first.
static void remove_groups(int parent, const char *name, int depth) {
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT || depth > 32) return;
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    if (fd >= 0) close(fd);
    return;
  }
  struct dirent *entry;
  while ((entry = readdir(dir)) != NULL)
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') remove_groups(fd, entry->d_name, depth + 1);
  closedir(dir);
  unlinkat(parent, name, AT_REMOVEDIR);
}

static void kill_members(const char *path, void *with) {
  char file[PATH_MAX + 32];
  format(file, sizeof file, "%s/cgroup.procs", path);
  FILE *procs = fopen(file, "re");
  int pid;
  while (procs != NULL && fscanf(procs, "%d", &pid) == 1) {
    if (pid <= 1) continue;
    kill(pid, SIGKILL);
    *(bool *)with = true;
  }
  if (procs != NULL) fclose(procs);
}

static void remove_group(const char *path, void *with) {
  remove_groups(AT_FDCWD, path, 0);
  if (access(path, F_OK) == 0) *(bool *)with = true;
}

void runtime_clean(const struct start *start) {
  // A namespace of its own is empty once its first process is gone; otherwise others may be left.
  for (int attempt = 0; attempt < 50; attempt++) {
    bool any = false;
    each_cgroup(start, kill_members, &any);
    if (!any) break;
    struct timespec pause = {.tv_nsec = 10000000};
    nanosleep(&pause, NULL);
    reap_all();
  }
  for (int attempt = 0; attempt < 100; attempt++) {
    bool left = false;
    each_cgroup(start, remove_group, &left);
    if (!left) break;
    // Processes that have just ended are counted a little longer.
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
  }
  char state_dir[128];
  format(state_dir, sizeof state_dir, "runtime/%s", start->id);
  remove_tree(AT_FDCWD, state_dir);
}

static void oom_in(const char *path, void *with) {
  const char *files[] = {"memory.events", "memory.oom_control"};
  char file[PATH_MAX + 32], text[1024];
  for (int at = 0; at < 2; at++) {
    format(file, sizeof file, "%s/%s", path, files[at]);
    read_small(AT_FDCWD, file, text, sizeof text);
    const char *found = strstr(text, "oom_kill ");
    if (found != NULL && atoi(found + 9) > 0) *(bool *)with = true;
  }
}

bool cgroup_oom(const struct start *start) {
  bool any = false;
  each_cgroup(start, oom_in, &any);
  return any;
}
