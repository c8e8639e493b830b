// The start file: `key=value` records ended by NUL, written by src/running/containers/start-file.ts. Unknown keys are an error: the
// two are of one version.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_START (8 * 1024 * 1024)

static void append(struct list *list, char *item) {
  list->items = must(realloc(list->items, (list->count + 2) * sizeof(char *)));
  list->items[list->count++] = item;
  list->items[list->count] = NULL;
}

static int64_t number(const char *key, const char *value) {
  char *end;
  errno = 0;
  long long result = strtoll(value, &end, 10);
  if (errno != 0 || *value == 0 || *end != 0) fail("start file: %s is no number", key);
  return result;
}

static bool set(struct start *s, const char *key, char *value) {
  const struct { const char *key; const char **into; } texts[] = {
      {"id", &s->id}, {"name", &s->name}, {"image", &s->image}, {"upper", &s->upper}, {"work", &s->work},
      {"netns", &s->netns}, {"netns-path", &s->netns_path}, {"restart", &s->restart}, {"cgroup", &s->cgroup},
      {"events", &s->events}, {"drop-mounts", &s->drop_mounts},
  };
  const struct { const char *key; bool *into; } flags[] = {
      {"tty", &s->tty}, {"stdin-open", &s->stdin_open}, {"stdin-once", &s->stdin_once}, {"own-pids", &s->own_pids},
      {"restore-cgroups", &s->restore_cgroups},
      {"log", &s->log_enabled}, {"auto-remove", &s->auto_remove}, {"health", &s->health},
  };
  const struct { const char *key; int64_t *into; } numbers[] = {
      {"log-size", &s->log_size}, {"log-files", &s->log_files}, {"restart-max", &s->restart_max},
      {"stop-signal", &s->stop_signal}, {"stop-timeout", &s->stop_timeout}, {"health-interval", &s->health_interval},
      {"health-timeout", &s->health_timeout}, {"health-start-period", &s->health_start_period},
      {"health-start-interval", &s->health_start_interval}, {"health-retries", &s->health_retries},
  };
  const struct { const char *key; struct list *into; } lists[] = {
      {"runtime", &s->runtime}, {"lower", &s->lower}, {"overlay-option", &s->overlay_options}, {"host-up", &s->host_up},
      {"inside-up", &s->inside_up}, {"host-down", &s->host_down}, {"helper", &s->helpers}, {"member", &s->members},
      {"remove", &s->remove},
  };
  for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
    if (strcmp(key, texts[at].key) == 0) return *texts[at].into = value, true;
  for (size_t at = 0; at < sizeof flags / sizeof *flags; at++)
    if (strcmp(key, flags[at].key) == 0) return *flags[at].into = strcmp(value, "1") == 0, true;
  for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++)
    if (strcmp(key, numbers[at].key) == 0) return *numbers[at].into = number(key, value), true;
  for (size_t at = 0; at < sizeof lists / sizeof *lists; at++)
    if (strcmp(key, lists[at].key) == 0) return append(lists[at].into, value), true;
  return false;
}

void start_read(struct start *start) {
  *start = (struct start){.log_size = -1, .log_files = 1, .stop_signal = 15, .stop_timeout = 10, .restart = "no", .netns = "host"};
  int fd = open("start", O_RDONLY | O_CLOEXEC);
  struct stat stat;
  if (fd < 0 || fstat(fd, &stat) != 0) fail("start file: %s", strerror(errno));
  if (stat.st_size <= 0 || stat.st_size > MAX_START) fail("start file: bad size");
  size_t size = (size_t)stat.st_size;
  char *text = must(malloc(size + 1));
  for (size_t got = 0; got < size;) {
    ssize_t now = read(fd, text + got, size - got);
    if (now <= 0) fail("start file: cut short");
    got += (size_t)now;
  }
  close(fd);
  text[size] = 0;
  for (char *at = text, *next; at < text + size; at = next) {
    next = at + strlen(at) + 1;
    char *equals = strchr(at, '=');
    if (equals == NULL) fail("start file: a record without value");
    *equals = 0;
    if (!set(start, at, equals + 1)) fail("start file: unknown key %s", at);
  }
  if (start->id == NULL || start->name == NULL || start->image == NULL || start->runtime.count == 0 ||
      start->upper == NULL || start->work == NULL || start->cgroup == NULL || start->events == NULL)
    fail("start file: incomplete");
}

char **split_words(const char *text) {
  size_t count = 1;
  for (const char *at = text; *at != 0; at++) count += *at == 0x1f;
  char **words = must(calloc(count + 1, sizeof *words));
  char *copy = must(strdup(text));
  size_t at = 0;
  for (char *word = copy; word != NULL; at++) {
    char *end = strchr(word, 0x1f);
    if (end != NULL) *end++ = 0;
    words[at] = word;
    word = end;
  }
  return words;
}
