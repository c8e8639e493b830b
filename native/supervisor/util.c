// Small things: times, whole writes, JSON strings, removing trees.

#include "supervisor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void format(char *into, size_t size, const char *text, ...) {
  va_list args;
  va_start(args, text);
  vsnprintf(into, size, text, args);
  va_end(args);
}

int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * SECOND + now.tv_nsec;
}

void time_text(char *into, size_t size) {
  struct timespec now;
  struct tm parts;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  char day[32];
  strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  format(into, size, "%s.%09ldZ", day, now.tv_nsec);
}

bool write_all(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t done = write(fd, at, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    size -= (size_t)done;
  }
  return true;
}

void read_small(int dir, const char *path, char *into, size_t size) {
  into[0] = 0;
  int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  size_t got = 0;
  ssize_t now;
  while (got < size - 1 && (now = read(fd, into + got, size - 1 - got)) > 0) got += (size_t)now;
  into[got] = 0;
  close(fd);
}

// Length of the UTF-8 character at `data`, 0 when it is none. Spec: RFC 3629.
static size_t character(const unsigned char *data, size_t size) {
  unsigned char first = data[0];
  if (first < 0x80) return 1;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || length > size) return 0;
  for (size_t at = 1; at < length; at++)
    if ((data[at] & 0xc0) != 0x80) return 0;
  unsigned char second = data[1];
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
      (first == 0xf4 && second > 0x8f))
    return 0;
  return length;
}

size_t json_escape(char *into, size_t room, const unsigned char *data, size_t size) {
  size_t used = 0;
  for (size_t at = 0; at < size;) {
    if (used + 8 > room) break;
    unsigned char c = data[at];
    size_t length = character(data + at, size - at);
    if (length == 0) {
      memcpy(into + used, "\\ufffd", 6);
      used += 6;
      at++;
    } else if (length > 1) {
      memcpy(into + used, data + at, length);
      used += length;
      at += length;
    } else {
      at++;
      char letter = c == '"' ? '"' : c == '\\' ? '\\' : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 0;
      if (letter != 0) {
        into[used++] = '\\';
        into[used++] = letter;
      } else if (c < 0x20 || c == 0x7f) {
        used += (size_t)snprintf(into + used, 7, "\\u%04x", c);
      } else {
        into[used++] = (char)c;
      }
    }
  }
  if (used < room) into[used] = 0;
  return used;
}

static void remove_below(int fd, int depth) {
  DIR *dir = fdopendir(fd);
  if (dir == NULL) {
    close(fd);
    return;
  }
  struct dirent *entry;
  while ((entry = readdir(dir)) != NULL) {
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
    if (unlinkat(dirfd(dir), name, 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) continue;
    int inner = depth > 4000 ? -1 : openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner >= 0) remove_below(inner, depth + 1);
    unlinkat(dirfd(dir), name, AT_REMOVEDIR);
  }
  closedir(dir);
}

void remove_tree(int dir, const char *path) {
  if (unlinkat(dir, path, 0) == 0 || (errno != EISDIR && errno != EPERM)) return;
  int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) remove_below(fd, 0);
  unlinkat(dir, path, AT_REMOVEDIR);
}

void *must(void *memory) {
  if (memory == NULL) fail("out of memory");
  return memory;
}
