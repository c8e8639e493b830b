// The container's life: started when the command that made us says so, its output carried, its end seen, perhaps started again, and in
// the end all taken down. The log is whole before anybody is told of an end.
// Counterpart: moby/moby daemon/monitor.go, restartmanager.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define BACKOFF_FIRST (SECOND / 10)
#define BACKOFF_LAST (60 * SECOND)
#define LIVED_WELL (10 * SECOND)

static struct start *start;
static struct streams streams = {-1, -1, -1};
static bool asked_to_go, stopping, input_ended, starts, runs, ended;
static bool keeps;
static int wanted_signal;
static int64_t kill_at = INT64_MAX, restart_at = INT64_MAX, began_at, backoff;
static int signals;
static unsigned terminal_rows, terminal_columns;

void life_go(void) {
  asked_to_go = true;
}

bool life_wants_input(void) {
  return streams.in >= 0 && !input_ended;
}

size_t life_input(const unsigned char *data, size_t size) {
  // Before it starts input waits; after its end it is lost, as with a pipe.
  if (!runs && state.status == CREATED) return 0;
  if (streams.in < 0 || input_ended) return size;
  ssize_t now = write(streams.in, data, size);
  if (now >= 0) return (size_t)now;
  return errno == EAGAIN || errno == EINTR ? 0 : size;
}

void life_input_end(void) {
  if (start->tty || !start->stdin_once || input_ended) return;
  input_ended = true;
  if (streams.in >= 0) close(streams.in);
  streams.in = -1;
}

void life_resize(unsigned rows, unsigned columns) {
  terminal_rows = rows;
  terminal_columns = columns;
  if (!start->tty || streams.out < 0) return;
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  ioctl(streams.out, TIOCSWINSZ, &size);
}

static void send_signal(int number) {
  if (starts) wanted_signal = number;
  else if (state.pid > 0) kill(state.pid, number);
  // Frozen processes of old control groups don't even die.
  char error[512];
  if (number == SIGKILL && state.status == PAUSED) {
    runtime_command(start, "resume", error, sizeof error);
    state.status = RUNNING;
  }
}

static void no_restart(void) {
  stopping = true;
}

void life_kill(int number) {
  if (number == SIGKILL || number == start->stop_signal) no_restart();
  if (state.status == RESTARTING && !starts) restart_at = monotonic_ns();
  else send_signal(number);
}

void life_stop(int number, int64_t timeout_s, bool keep) {
  no_restart();
  keeps = keep;
  if (state.status == CREATED && !starts) return;
  if (state.status == RESTARTING && !starts) {
    restart_at = monotonic_ns();
    return;
  }
  char error[512];
  if (state.status == PAUSED) life_pause(false, error, sizeof error);
  if (timeout_s < -1) timeout_s = start->stop_timeout;
  send_signal(number > 0 ? number : (int)start->stop_signal);
  if (timeout_s >= 0) kill_at = monotonic_ns() + timeout_s * SECOND;
}

bool life_pause(bool pause, char *error, size_t size) {
  if (state.status != (pause ? RUNNING : PAUSED)) {
    format(error, size, pause ? state.status == PAUSED ? "is already paused" : "is not running" : "is not paused");
    return false;
  }
  if (!runtime_command(start, pause ? "pause" : "resume", error, size)) return false;
  state.status = pause ? PAUSED : RUNNING;
  state_save();
  event_write(start, pause ? "pause" : "unpause", "");
  return true;
}

// False at the end of the stream.
static bool carry(int fd, int stream) {
  static unsigned char data[32768];
  ssize_t size = read(fd, data, sizeof data);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  control_output(stream, data, (size_t)size);
  log_add(stream, data, (size_t)size);
  return true;
}

static void close_stream(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void carry_rest(void) {
  // Whoever else holds the other end (a process of the machine's own namespace) is not waited for.
  int64_t end = monotonic_ns() + SECOND;
  while ((streams.out >= 0 || streams.err >= 0) && monotonic_ns() < end) {
    struct pollfd fds[] = {{.fd = streams.out, .events = POLLIN}, {.fd = streams.err, .events = POLLIN}};
    if (poll(fds, 2, 100) == 0 && !start->own_pids) break;
    bool moved = false;
    if (fds[0].revents != 0) {
      moved = true;
      if (!carry(streams.out, 1)) {
        if (start->tty) streams.in = -1;
        close_stream(&streams.out);
      }
    }
    if (fds[1].revents != 0) {
      moved = true;
      if (!carry(streams.err, 2)) close_stream(&streams.err);
    }
    if (moved) end = monotonic_ns() + SECOND;
    while (control_is_full()) {
      struct pollfd clients[160];
      size_t count = control_poll(clients, 160);
      poll(clients, count, 1000);
      control_handle(clients, count);
      end = monotonic_ns() + SECOND;
    }
  }
  if (start->tty && streams.in == streams.out) streams.in = -1;
  close_stream(&streams.in);
  close_stream(&streams.out);
  close_stream(&streams.err);
  log_end();
}

static void failed_to_start(int code, const char *reason) {
  state.exit_code = code;
  state.pid = 0;
  format(state.error, sizeof state.error, "%s", reason);
  runtime_clean(start);
  starts = false;
  // What never ran is `created`, as docker has it.
  state.status = state.restart_count > 0 ? EXITED : CREATED;
  time_text(state.finished, sizeof state.finished);
  ended = true;
}

static void begin_life(void) {
  char error[2000] = "";
  input_ended = false;
  began_at = monotonic_ns();
  starts = true;
  if (!runtime_begin(start, &streams, error, sizeof error)) failed_to_start(125, error);
}

// The runtime has ended: the container runs, or never will.
static void have_begun(int status) {
  char error[2000] = "";
  int code = runtime_result(start, status, &streams, &state.pid, error, sizeof error);
  if (code != 0) {
    failed_to_start(code, error);
    return;
  }
  starts = false;
  runs = true;
  state.status = RUNNING;
  state.exit_code = 0;
  state.error[0] = 0;
  state.oom_killed = false;
  state.machine_pid = machine_pid(state.pid);
  time_text(state.started, sizeof state.started);
  if (terminal_rows > 0) life_resize(terminal_rows, terminal_columns);
  health_begin(start);
  state_save();
  event_write(start, "start", "");
  control_tell('t', "", 0);
  // Asked for while it was being started.
  if (wanted_signal > 0) send_signal(wanted_signal);
  wanted_signal = 0;
}

static bool should_restart(void) {
  if (stopping) return false;
  if (strcmp(start->restart, "always") == 0 || strcmp(start->restart, "unless-stopped") == 0) return true;
  if (strcmp(start->restart, "on-failure") != 0 || state.exit_code == 0) return false;
  return start->restart_max == 0 || state.restart_count < start->restart_max;
}

// What the container's first process leaves; then either another life or none.
static void end_life(int status) {
  state.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  carry_rest();
  health_end();
  state.oom_killed = cgroup_oom(start);
  runtime_clean(start);
  runs = false;
  state.pid = state.machine_pid = 0;
  state.health = 0;
  kill_at = INT64_MAX;
  time_text(state.finished, sizeof state.finished);
  char extra[64];
  format(extra, sizeof extra, ",\"exitCode\":\"%d\"", state.exit_code);
  if (state.oom_killed) event_write(start, "oom", "");
  event_write(start, "die", extra);
  if (!should_restart()) {
    state.status = EXITED;
    ended = true;
    return;
  }
  backoff = backoff == 0 || monotonic_ns() - began_at >= LIVED_WELL ? BACKOFF_FIRST : backoff * 2;
  if (backoff > BACKOFF_LAST) backoff = BACKOFF_LAST;
  restart_at = monotonic_ns() + backoff;
  state.status = RESTARTING;
  state_save();
}

static _Noreturn void finish(void) {
  network_down(start);
  state.machine_self = 0;
  unmount_root();
  unlink("control");
  unlink("start");
  size_t size;
  if (start->auto_remove && asked_to_go && !keeps) {
    const char *json = state_json(&size);
    char gone[128];
    format(gone, sizeof gone, "../.removed-%s", start->id);
    char here[160];
    format(here, sizeof here, "../%s", start->id);
    for (size_t at = 0; at < start->remove.count; at++) remove_tree(AT_FDCWD, start->remove.items[at]);
    if (rename(here, gone) == 0 && chdir("..") == 0) remove_tree(AT_FDCWD, gone + 3);
    event_write(start, "destroy", "");
    control_tell('x', json, size);
  } else {
    state_save();
    const char *json = state_json(&size);
    control_tell('x', json, size);
  }
  control_flush();
  exit(0);
}

static int64_t earliest(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static void wait_for_something(int ready) {
  struct pollfd fds[160];
  size_t used = 0;
  bool full = control_is_full();
  fds[used++] = (struct pollfd){.fd = signals, .events = POLLIN};
  fds[used++] = (struct pollfd){.fd = full ? -1 : streams.out, .events = POLLIN};
  // Until the runtime has ended, what is there may be its own.
  fds[used++] = (struct pollfd){.fd = full || starts ? -1 : streams.err, .events = POLLIN};
  fds[used++] = (struct pollfd){.fd = health_fd(), .events = POLLIN};
  // Without anybody who could tell us to go there is nothing to wait for.
  fds[used++] = (struct pollfd){.fd = asked_to_go ? -1 : ready, .events = 0};
  fds[used++] = (struct pollfd){.fd = runtime_console_fd(), .events = POLLIN};
  size_t clients = control_poll(fds + used + 1, 160 - used - 1);
  bool input_waits = false;
  for (size_t at = 1; at < clients; at++) input_waits = input_waits || (fds[used + 1 + at].events & POLLIN) == 0;
  fds[used++] = (struct pollfd){.fd = input_waits ? streams.in : -1, .events = POLLOUT};
  int64_t due = earliest(earliest(kill_at, restart_at), health_due());
  int64_t left = due == INT64_MAX ? -1 : (due - monotonic_ns() + 999999) / 1000000;
  if (due != INT64_MAX && left < 0) left = 0;
  if (left > 3600000) left = 3600000;
  if (poll(fds, used + clients, (int)left) < 0) return;
  if (fds[0].revents != 0) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info)
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) life_stop(0, -2, false);
  }
  if (fds[1].revents != 0 && !carry(streams.out, 1)) {
    if (start->tty) streams.in = -1;
    close_stream(&streams.out);
  }
  if (fds[2].revents != 0 && !carry(streams.err, 2)) close_stream(&streams.err);
  if (fds[5].revents != 0) runtime_console(&streams);
  if (!asked_to_go && (fds[4].revents & (POLLERR | POLLHUP)) != 0) stopping = true;
  control_handle(fds + used, clients);
}

_Noreturn void life_run(struct start *given, int ready) {
  start = given;
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  while (!asked_to_go) {
    wait_for_something(ready);
    if (stopping && !asked_to_go) finish();
  }
  close(ready);
  log_open(start);
  begin_life();
  while (!ended) {
    wait_for_something(-1);
    reap_all();
    int status;
    if (starts && runtime_ended(&status)) have_begun(status);
    if (runs && reap_status(state.pid, &status)) end_life(status);
    if (monotonic_ns() >= kill_at) {
      kill_at = INT64_MAX;
      send_signal(SIGKILL);
    }
    if (state.status == RESTARTING && !starts && monotonic_ns() >= restart_at) {
      restart_at = INT64_MAX;
      if (stopping) {
        state.status = EXITED;
        break;
      }
      state.restart_count++;
      begin_life();
    }
    if (runs) health_work(start);
  }
  if (state.error[0] != 0 && state.restart_count == 0) {
    char text[2100];
    format(text, sizeof text, "%d %s", state.exit_code, state.error);
    control_tell('f', text, strlen(text));
  }
  finish();
}
