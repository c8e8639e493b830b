// Copying out of and into a container, from within: in its mount namespace or with its tree as root folder, so that no link of it can
// lead anywhere else, whatever its processes do meanwhile. Counterpart: moby/moby daemon/archive.go, pkg/chrootarchive.

#include "copy.h"
#include "supervisor.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CHUNK 65536
#define MAX_DEPTH 2000

static char chunk[CHUNK];

static _Noreturn void give_up(const char *what, const char *path) {
  char text[PATH_MAX + 256];
  format(text, sizeof text, "%s%s%s: %s", what, *what ? " " : "", path, strerror(errno));
  struct entry_head head = {.type = ENTRY_ERROR, .path_size = (uint32_t)strlen(text)};
  write_all(1, &head, sizeof head);
  write_all(1, text, strlen(text));
  _exit(1);
}

static void put(const void *data, size_t size) {
  if (!write_all(1, data, size)) _exit(1);
}

void copy_enter(const char *where) {
  if (where[0] == '/') {
    if (chroot(where) != 0 || chdir("/") != 0) give_up("entering", where);
    return;
  }
  char path[64];
  format(path, sizeof path, "/proc/%.20s/ns/mnt", where);
  int mounts = open(path, O_RDONLY | O_CLOEXEC);
  format(path, sizeof path, "/proc/%.20s/root", where);
  int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  // Its root folder is not its namespace's when somebody has left an old root mounted.
  if (mounts < 0 || root < 0 || setns(mounts, CLONE_NEWNS) != 0 || fchdir(root) != 0 || chroot(".") != 0) give_up("entering", where);
  close(mounts);
  close(root);
}

static void put_entry(uint8_t type, const struct stat *stat, const char *path, const char *link, uint64_t size) {
  struct entry_head head = {
      .type = type, .mode = stat->st_mode, .uid = stat->st_uid, .gid = stat->st_gid, .major = major(stat->st_rdev),
      .minor = minor(stat->st_rdev), .path_size = (uint32_t)strlen(path), .link_size = (uint32_t)strlen(link),
      .mtime_s = stat->st_mtim.tv_sec, .mtime_ns = (uint32_t)stat->st_mtim.tv_nsec, .size = size,
  };
  put(&head, sizeof head);
  put(path, head.path_size);
  put(link, head.link_size);
}

// Exactly as many bytes as were promised: a file that shrinks is filled up, one that grows is cut.
static void put_file(int fd, const struct stat *stat, const char *path) {
  uint64_t left = (uint64_t)stat->st_size;
  put_entry(ENTRY_FILE, stat, path, "", left);
  while (left > 0) {
    size_t want = left < CHUNK ? (size_t)left : CHUNK;
    ssize_t got = read(fd, chunk, want);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      memset(chunk, 0, want);
      got = (ssize_t)want;
    }
    put(chunk, (size_t)got);
    left -= (uint64_t)got;
  }
}

static void send(int dir, const char *name, const char *path, int depth, bool follow) {
  struct stat stat;
  if (fstatat(dir, name, &stat, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    if (depth > 0 && errno == ENOENT) return;
    give_up("", path);
  }
  if (S_ISLNK(stat.st_mode)) {
    char target[PATH_MAX];
    ssize_t size = readlinkat(dir, name, target, sizeof target - 1);
    if (size < 0) give_up("", path);
    target[size] = 0;
    put_entry(ENTRY_SYMLINK, &stat, path, target, 0);
    return;
  }
  int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  if (S_ISREG(stat.st_mode)) {
    int fd = openat(dir, name, flags);
    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) give_up("", path);
    put_file(fd, &stat, path);
    close(fd);
    return;
  }
  if (!S_ISDIR(stat.st_mode)) {
    if (!S_ISSOCK(stat.st_mode)) put_entry(ENTRY_NODE, &stat, path, "", 0);
    return;
  }
  put_entry(ENTRY_DIR, &stat, path, "", 0);
  int fd = depth >= MAX_DEPTH ? -1 : openat(dir, name, flags | O_DIRECTORY);
  DIR *list = fd < 0 ? NULL : fdopendir(fd);
  if (list == NULL) give_up("", path);
  struct dirent *each;
  while ((each = readdir(list)) != NULL) {
    if (strcmp(each->d_name, ".") == 0 || strcmp(each->d_name, "..") == 0) continue;
    size_t size = strlen(path) + strlen(each->d_name) + 2;
    if (size > MAX_PATH_BYTES) continue;
    char *inner = must(malloc(size));
    format(inner, size, "%s/%s", path, each->d_name);
    send(dirfd(list), each->d_name, inner, depth + 1, false);
    free(inner);
  }
  closedir(list);
}

// copy-out WHERE PATH NAME FOLLOW: what is at PATH, called NAME.
int copy_out_main(int argc, char **argv) {
  if (argc != 5) return 2;
  copy_enter(argv[1]);
  send(AT_FDCWD, argv[2], argv[3], 0, strcmp(argv[4], "1") == 0);
  struct entry_head head = {.type = ENTRY_END};
  put(&head, sizeof head);
  return 0;
}

// stat WHERE PATH: what is there, as one entry: its path is where links led, its link what a link says. Nothing there: an error.
int stat_main(int argc, char **argv) {
  if (argc != 3) return 2;
  copy_enter(argv[1]);
  struct stat stat;
  char target[PATH_MAX] = "";
  if (lstat(argv[2], &stat) != 0) give_up("", argv[2]);
  if (S_ISLNK(stat.st_mode)) {
    struct stat led;
    ssize_t size = readlink(argv[2], target, sizeof target - 1);
    target[size < 0 ? 0 : size] = 0;
    // The kind of what the link leads to, in the mode; nothing where it leads nowhere.
    stat.st_mode = lstat(argv[2], &led) == 0 && fstatat(AT_FDCWD, argv[2], &led, 0) == 0 ? led.st_mode : stat.st_mode;
  }
  put_entry(S_ISDIR(stat.st_mode) ? ENTRY_DIR : S_ISREG(stat.st_mode) ? ENTRY_FILE : ENTRY_NODE, &stat, argv[2], target, (uint64_t)stat.st_size);
  return 0;
}

static void get(void *data, size_t size) {
  char *at = data;
  while (size > 0) {
    ssize_t got = read(0, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EPIPE;
    if (got <= 0) give_up("", "input");
    at += got;
    size -= (size_t)got;
  }
}

static void receive_file(const char *path, uint64_t left) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) give_up("", path);
  while (left > 0) {
    size_t want = left < CHUNK ? (size_t)left : CHUNK;
    get(chunk, want);
    if (!write_all(fd, chunk, want)) give_up("", path);
    left -= want;
  }
  close(fd);
}

static void make_parents(char *path) {
  for (char *at = path + 1; *at != 0; at++) {
    if (*at != '/') continue;
    *at = 0;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) give_up("", path);
    *at = '/';
  }
}

// A folder stays when a folder comes; anything else gives way to what comes, but a folder never to a file.
static void make_room(const char *path, uint8_t type) {
  struct stat stat;
  if (lstat(path, &stat) != 0) return;
  if (type == ENTRY_DIR && S_ISDIR(stat.st_mode)) return;
  if (S_ISDIR(stat.st_mode) || (type == ENTRY_DIR && !S_ISLNK(stat.st_mode))) {
    errno = S_ISDIR(stat.st_mode) ? EISDIR : ENOTDIR;
    give_up("cannot overwrite", path);
  }
  if (unlink(path) != 0) give_up("", path);
}

static void receive(const struct entry_head *head, char *path, const char *link) {
  make_parents(path);
  make_room(path, head->type);
  mode_t mode = head->mode & 07777;
  switch (head->type) {
    case ENTRY_FILE: receive_file(path, head->size); break;
    case ENTRY_DIR:
      if (mkdir(path, 0700) != 0 && errno != EEXIST) give_up("", path);
      break;
    case ENTRY_SYMLINK:
      if (symlink(link, path) != 0) give_up("", path);
      break;
    case ENTRY_HARDLINK:
      if (linkat(AT_FDCWD, link, AT_FDCWD, path, 0) != 0) give_up("", path);
      return;
    case ENTRY_NODE:
      if (mknod(path, head->mode, makedev(head->major, head->minor)) != 0) give_up("", path);
      break;
    default: errno = EINVAL; give_up("", path);
  }
  if (lchown(path, head->uid, head->gid) != 0) give_up("", path);
  if (head->type != ENTRY_SYMLINK && chmod(path, mode) != 0) give_up("", path);
  struct timespec times[2] = {{.tv_sec = head->mtime_s, .tv_nsec = head->mtime_ns}, {.tv_sec = head->mtime_s, .tv_nsec = head->mtime_ns}};
  utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

// copy-in WHERE DIR: entries from standard input, below DIR, which is there. Whatever climbs stays in the container; who sends refuses it.
int copy_in_main(int argc, char **argv) {
  if (argc != 3) return 2;
  copy_enter(argv[1]);
  if (chdir(argv[2]) != 0) give_up("", argv[2]);
  umask(0);
  for (;;) {
    struct entry_head head;
    get(&head, sizeof head);
    if (head.type == ENTRY_END) break;
    if (head.path_size == 0 || head.path_size >= MAX_PATH_BYTES || head.link_size >= MAX_PATH_BYTES || head.mtime_ns >= SECOND) {
      errno = EINVAL;
      give_up("", "entry");
    }
    // From here on relative: the folder that we are in.
    char *path = must(calloc(1, head.path_size + 3));
    char *link = must(calloc(1, head.link_size + 3));
    path[0] = '.';
    path[1] = '/';
    get(path + 2, head.path_size);
    size_t before = head.type == ENTRY_HARDLINK ? 2 : 0;
    memcpy(link, "./", before);
    get(link + before, head.link_size);
    receive(&head, path, link);
    free(path);
    free(link);
  }
  struct entry_head head = {.type = ENTRY_END};
  put(&head, sizeof head);
  return 0;
}
