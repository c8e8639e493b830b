// Health checks: a command in the container every now and then, one at a time, with docker's rules for what it means. Its process is
// described in `bundle/health.json`. Counterpart: moby/moby daemon/health.go.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT 5

static pid_t running;
static int pipe_fd = -1;
static int64_t next_due = INT64_MAX, deadline = INT64_MAX, began;
static bool in_start_period, timed_out;
static struct probe now;
static size_t got;

static int64_t interval(const struct start *start) {
  return in_start_period && start->health_start_interval > 0 ? start->health_start_interval : start->health_interval;
}

void health_begin(const struct start *start) {
  if (!start->health) return;
  if (state.probes == NULL) state.probes = must(calloc(KEPT, sizeof *state.probes));
  state.health = 1;
  state.failing_streak = 0;
  state.probe_count = 0;
  began = monotonic_ns();
  in_start_period = start->health_start_period > 0;
  next_due = began + interval(start);
}

static void kill_probe(void) {
  char text[32];
  read_small(AT_FDCWD, "runtime/health-pid", text, sizeof text);
  pid_t inner = atoi(text);
  if (inner > 1 && inner != state.pid) kill(inner, SIGKILL);
  if (running > 0) kill(running, SIGKILL);
}

void health_end(void) {
  if (running > 0) {
    kill_probe();
    waitpid(running, NULL, 0);
  }
  if (pipe_fd >= 0) close(pipe_fd);
  pipe_fd = -1;
  running = 0;
  next_due = deadline = INT64_MAX;
}

int64_t health_due(void) {
  return running > 0 ? deadline : next_due;
}

int health_fd(void) {
  return pipe_fd;
}

static void begin_probe(const struct start *start) {
  static const char *pid_file;
  if (pid_file == NULL) pid_file = in_runtime("health-pid");
  const char *more[] = {"exec", "--process", "bundle/health.json", "--pid-file", pid_file, start->id, NULL};
  int pipes[2];
  unlink("runtime/health-pid");
  next_due = monotonic_ns() + interval(start);
  if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) return;
  char **argv = runtime_argv(start, more);
  running = spawn_program(&(struct spawn){.argv = argv, .in = -1, .out = pipes[1], .err = pipes[1], .netns = -1, .extra = -1});
  free(argv);
  close(pipes[1]);
  pipe_fd = pipes[0];
  got = 0;
  timed_out = false;
  now = (struct probe){0};
  time_text(now.start, sizeof now.start);
  deadline = monotonic_ns() + start->health_timeout;
}

static void read_output(void) {
  char rest[4096];
  for (;;) {
    size_t room = sizeof now.output - 1 - got;
    ssize_t size = read(pipe_fd, room > 0 ? now.output + got : rest, room > 0 ? room : sizeof rest);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    if (room > 0) got += (size_t)size;
  }
}

static void judge(const struct start *start) {
  int before = state.health;
  if (state.probe_count == KEPT) memmove(state.probes, state.probes + 1, (KEPT - 1) * sizeof *state.probes);
  else state.probe_count++;
  state.probes[state.probe_count - 1] = now;
  if (now.exit_code == 0) {
    state.failing_streak = 0;
    state.health = 2;
    in_start_period = false;
  } else {
    in_start_period = in_start_period && monotonic_ns() - began < start->health_start_period;
    if (!(in_start_period && state.health == 1)) state.failing_streak++;
    if (state.failing_streak >= start->health_retries) state.health = 3;
  }
  state_save();
  if (before != state.health) event_write(start, state.health == 2 ? "health_status: healthy" : "health_status: unhealthy", "");
}

void health_work(const struct start *start) {
  if (!start->health) return;
  if (state.status == PAUSED && running == 0) {
    next_due = monotonic_ns() + interval(start);
    return;
  }
  if (running == 0) {
    if (monotonic_ns() >= next_due) begin_probe(start);
    return;
  }
  read_output();
  int status;
  if (reap_status(running, &status)) {
    read_output();
    if (timed_out) {
      now.exit_code = -1;
      format(now.output, sizeof now.output, "Health check exceeded timeout (%gs)", (double)start->health_timeout / 1e9);
    } else {
      now.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    time_text(now.end, sizeof now.end);
    close(pipe_fd);
    pipe_fd = -1;
    running = 0;
    deadline = INT64_MAX;
    judge(start);
    next_due = monotonic_ns() + interval(start);
  } else if (monotonic_ns() >= deadline) {
    kill_probe();
    timed_out = true;
    deadline = INT64_MAX;
  }
}
