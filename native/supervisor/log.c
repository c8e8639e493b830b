// The container's output on disk, in the form of docker's json-file driver: an entry a line, longer lines in pieces of 16 KiB, whole
// files moved aside when they are full. A full disk costs entries, never the container; what is written stays readable.
// Counterpart: moby/moby daemon/logger/jsonfilelog, copier.go.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 16384
#define BATCH (64 * 1024)

static int file = -1;
static int64_t file_size, max_size, max_files;
static struct {
  unsigned char data[PIECE];
  size_t size;
} lines[3];
static char batch[BATCH];
static size_t batched;

static void open_file(void) {
  file = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat stat;
  file_size = file >= 0 && fstat(file, &stat) == 0 ? stat.st_size : 0;
}

void log_open(const struct start *start) {
  if (!start->log_enabled) return;
  max_size = start->log_size;
  max_files = start->log_files < 1 ? 1 : start->log_files;
  open_file();
}

static void rotate(void) {
  close(file);
  char from[32], to[32];
  for (int64_t at = max_files - 1; at > 0; at--) {
    if (at == 1) format(from, sizeof from, "log");
    else format(from, sizeof from, "log.%lld", (long long)at - 1);
    format(to, sizeof to, "log.%lld", (long long)at);
    rename(from, to);
  }
  if (max_files == 1) unlink("log");
  open_file();
}

static void flush(void) {
  if (batched == 0) return;
  if (file < 0) open_file();
  if (file >= 0) {
    if (max_size > 0 && file_size > 0 && file_size + (int64_t)batched > max_size) rotate();
    if (write_all(file, batch, batched)) file_size += (int64_t)batched;
    else if (ftruncate(file, file_size) != 0) file_size = 0;
  }
  batched = 0;
}

static void entry(int stream) {
  // An escaped byte takes six.
  static char text[PIECE * 6 + 128];
  size_t used = (size_t)sprintf(text, "{\"log\":\"");
  used += json_escape(text + used, sizeof text - used - 96, lines[stream].data, lines[stream].size);
  char time[40];
  time_text(time, sizeof time);
  used += (size_t)sprintf(text + used, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream == 1 ? "stdout" : "stderr", time);
  lines[stream].size = 0;
  if (batched + used > BATCH) flush();
  if (used > BATCH) {
    // Only a piece of bytes that all had to be escaped is larger than a batch.
    size_t done = 0;
    if (file >= 0 && write_all(file, text, used)) done = used;
    file_size += (int64_t)done;
    return;
  }
  memcpy(batch + batched, text, used);
  batched += used;
  // A batch must not be more than a file may have.
  if (max_size > 0 && file_size + (int64_t)batched >= max_size) flush();
}

void log_add(int stream, const unsigned char *data, size_t size) {
  if (file < 0) return;
  while (size > 0) {
    size_t room = PIECE - lines[stream].size;
    size_t now = size < room ? size : room;
    const unsigned char *end = memchr(data, '\n', now);
    if (end != NULL) now = (size_t)(end - data) + 1;
    memcpy(lines[stream].data + lines[stream].size, data, now);
    lines[stream].size += now;
    data += now;
    size -= now;
    if (end != NULL || lines[stream].size == PIECE) entry(stream);
  }
  flush();
}

void log_end(void) {
  if (file < 0) return;
  for (int stream = 1; stream <= 2; stream++)
    if (lines[stream].size > 0) entry(stream);
  flush();
}
