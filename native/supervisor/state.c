// The file `state`: what the container is now, for whoever looks. Replaced whole, so that no reader sees half of one. Its fields are
// read by src/running/containers/state.ts.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEVER "0001-01-01T00:00:00Z"

struct state state = {.started = NEVER, .finished = NEVER};

static int machine_proc = -1;
static char boot_id[64];

void state_open(void) {
  machine_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int sys = open("/proc/sys/kernel/random", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (sys >= 0) {
    read_small(sys, "boot_id", boot_id, sizeof boot_id);
    boot_id[strcspn(boot_id, "\n")] = 0;
    close(sys);
  }
}

void state_self(void) {
  char link[32] = "";
  if (readlinkat(machine_proc, "self", link, sizeof link - 1) > 0) state.machine_self = atoi(link);
}

// A pidfd says its number in the terms of the proc that is looked through.
pid_t machine_pid(pid_t pid) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return 0;
  char path[64], text[512];
  format(path, sizeof path, "self/fdinfo/%d", fd);
  read_small(machine_proc, path, text, sizeof text);
  close(fd);
  const char *line = strstr(text, "Pid:");
  int found = line == NULL ? 0 : atoi(line + 4);
  return found > 0 ? found : 0;
}

static const char *status_name(void) {
  switch (state.status) {
    case CREATED: return "created";
    case RUNNING: return "running";
    case PAUSED: return "paused";
    case RESTARTING: return "restarting";
    case EXITED: return "exited";
  }
  return "exited";
}

const char *state_json(size_t *size) {
  static char *text;
  // Six bytes for each of an output's, at worst.
  size_t room = 8192 + 6 * sizeof state.error + (size_t)state.probe_count * (256 + 6 * sizeof state.probes->output);
  free(text);
  text = must(malloc(room));
  char *error = must(malloc(6 * sizeof state.error + 8));
  json_escape(error, 6 * sizeof state.error + 8, (unsigned char *)state.error, strlen(state.error));
  size_t used = (size_t)snprintf(
      text, room,
      "{\"status\":\"%s\",\"exitCode\":%d,\"error\":\"%s\",\"oomKilled\":%s,\"pid\":%d,\"innerPid\":%d,\"supervisorPid\":%d,"
      "\"startedAt\":\"%s\",\"finishedAt\":\"%s\",\"restartCount\":%d,\"bootId\":\"%s\"",
      status_name(), state.exit_code, error, state.oom_killed ? "true" : "false", state.machine_pid, state.pid,
      state.machine_self, state.started, state.finished, state.restart_count, boot_id);
  free(error);
  if (state.health > 0) {
    const char *names[] = {"", "starting", "healthy", "unhealthy"};
    used += (size_t)snprintf(text + used, room - used, ",\"health\":{\"status\":\"%s\",\"failingStreak\":%d,\"log\":[",
                             names[state.health], state.failing_streak);
    for (int at = 0; at < state.probe_count; at++) {
      const struct probe *probe = &state.probes[at];
      used += (size_t)snprintf(text + used, room - used, "%s{\"start\":\"%s\",\"end\":\"%s\",\"exitCode\":%d,\"output\":\"",
                               at == 0 ? "" : ",", probe->start, probe->end, probe->exit_code);
      used += json_escape(text + used, room - used - 64, (unsigned char *)probe->output, strlen(probe->output));
      used += (size_t)snprintf(text + used, room - used, "\"}");
    }
    used += (size_t)snprintf(text + used, room - used, "]}");
  }
  used += (size_t)snprintf(text + used, room - used, "}\n");
  *size = used;
  return text;
}

void state_save(void) {
  size_t size;
  const char *text = state_json(&size);
  int fd = open("state.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0) {
    bool whole = write_all(fd, text, size);
    close(fd);
    if (whole) rename("state.new", "state");
    else unlink("state.new");
  }
  control_tell('s', text, size);
}

void event_write(const struct start *start, const char *action, const char *extra) {
  char time[40], text[4096], name[512], image[1024];
  time_text(time, sizeof time);
  json_escape(name, sizeof name, (const unsigned char *)start->name, strlen(start->name));
  json_escape(image, sizeof image, (const unsigned char *)start->image, strlen(start->image));
  int size = snprintf(text, sizeof text, "{\"time\":\"%s\",\"action\":\"%s\",\"id\":\"%s\",\"name\":\"%s\",\"attributes\":{\"image\":\"%s\"%s}}\n",
                      time, action, start->id, name, image, extra);
  if (size <= 0 || (size_t)size >= sizeof text) return;
  int fd = open(start->events, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  write_all(fd, text, (size_t)size);
  close(fd);
}
