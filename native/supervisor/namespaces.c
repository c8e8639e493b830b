// What the container stands on: mounts and a network namespace that nobody else has, so that they go with the process, whatever
// becomes of it.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// mountinfo writes spaces, tabs, newlines and backslashes in octal.
static void unescape(char *text) {
  char *to = text;
  for (char *from = text; *from != 0; to++) {
    if (from[0] == '\\' && from[1] != 0 && from[2] != 0 && from[3] != 0) {
      *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
      from += 4;
    } else {
      *to = *from++;
    }
  }
  *to = 0;
}

// Mounts of the command that started us would be held for as long as we live.
static void drop_mounts(const char *prefix) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t room = 0;
  char **points = NULL;
  size_t count = 0;
  while (file != NULL && getline(&line, &room, file) > 0) {
    char *point = must(malloc(room));
    point[0] = 0;
    if (sscanf(line, "%*s %*s %*s %*s %s", point) != 1) point[0] = 0;
    unescape(point);
    size_t length = strlen(prefix);
    if (strncmp(point, prefix, length) != 0 || point[length] != '/') {
      free(point);
      continue;
    }
    points = must(realloc(points, (count + 1) * sizeof *points));
    points[count++] = point;
  }
  free(line);
  if (file != NULL) fclose(file);
  while (count > 0) {
    umount2(points[--count], MNT_DETACH);
    free(points[count]);
  }
  free(points);
}

static long fs_string(int fs, const char *key, const char *value) {
  return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

// By descriptors, without the limit of one page for all options; kernels before 6.5 can't add layers one by one.
static bool mount_overlay_new(const struct start *start) {
  int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
  if (fs < 0) return false;
  bool good = true;
  for (size_t at = 0; good && at < start->lower.count; at++) good = fs_string(fs, "lowerdir+", start->lower.items[at]) == 0;
  good = good && fs_string(fs, "upperdir", start->upper) == 0 && fs_string(fs, "workdir", start->work) == 0;
  for (size_t at = 0; good && at < start->overlay_options.count; at++) {
    char *option = must(strdup(start->overlay_options.items[at]));
    char *value = strchr(option, '=');
    if (value != NULL) *value++ = 0;
    good = value != NULL ? fs_string(fs, option, value) == 0
                         : syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, option, NULL, 0) == 0;
    free(option);
  }
  good = good && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
  int made = good ? (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0) : -1;
  good = made >= 0 && syscall(SYS_move_mount, made, "", AT_FDCWD, "rootfs", MOVE_MOUNT_F_EMPTY_PATH) == 0;
  if (made >= 0) close(made);
  close(fs);
  return good;
}

static size_t add_escaped(char *into, size_t used, const char *text, bool colons) {
  for (; *text != 0; text++) {
    if (*text == '\\' || *text == ',' || (colons && *text == ':')) into[used++] = '\\';
    into[used++] = *text;
  }
  return used;
}

static bool mount_overlay_old(const struct start *start) {
  size_t size = 64 + 2 * (strlen(start->upper) + strlen(start->work));
  for (size_t at = 0; at < start->lower.count; at++) size += 2 * strlen(start->lower.items[at]) + 1;
  for (size_t at = 0; at < start->overlay_options.count; at++) size += strlen(start->overlay_options.items[at]) + 1;
  char *data = must(malloc(size));
  size_t used = (size_t)sprintf(data, "lowerdir=");
  for (size_t at = 0; at < start->lower.count; at++) {
    if (at > 0) data[used++] = ':';
    used = add_escaped(data, used, start->lower.items[at], true);
  }
  used += (size_t)sprintf(data + used, ",upperdir=");
  used = add_escaped(data, used, start->upper, false);
  used += (size_t)sprintf(data + used, ",workdir=");
  used = add_escaped(data, used, start->work, false);
  for (size_t at = 0; at < start->overlay_options.count; at++)
    used += (size_t)sprintf(data + used, ",%s", start->overlay_options.items[at]);
  data[used] = 0;
  bool good = used < 4095 && mount("overlay", "rootfs", "overlay", 0, data) == 0;
  if (used >= 4095) errno = E2BIG;
  free(data);
  return good;
}

void mount_root(const struct start *start) {
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) fail("mount namespace: %s", strerror(errno));
  if (start->drop_mounts != NULL) drop_mounts(start->drop_mounts);
  // The command may have hidden old control groups under the unified tree, for its own runtime's sake.
  while (start->restore_cgroups && access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
    if (umount2("/sys/fs/cgroup", MNT_DETACH) != 0) break;
  if (start->own_pids && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
    fail("can't mount proc: %s", strerror(errno));
  mkdir("runtime", 0700);
  if (mount("runtime", "runtime", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=4m") != 0)
    fail("can't mount the runtime's state: %s", strerror(errno));
  mkdir("rootfs", 0755);
  // A mount without syncs marks its work folder; the mark only matters after a power cut.
  remove_tree(AT_FDCWD, "work/work");
  if (start->lower.count == 0) {
    if (mount(start->upper, "rootfs", NULL, MS_BIND, NULL) != 0) fail("can't mount the root: %s", strerror(errno));
  } else if (!mount_overlay_old(start) && !mount_overlay_new(start)) {
    // Kernels before 5.10 do not know the option of mounts without syncs, which stands last.
    struct start plain = *start;
    if (plain.overlay_options.count > 0) plain.overlay_options.count--;
    if (!mount_overlay_old(&plain)) fail("can't mount the root: %s", strerror(errno));
  }
}

void unmount_root(void) {
  umount2("rootfs", MNT_DETACH);
  umount2("runtime", MNT_DETACH);
  umount2("netns", MNT_DETACH);
  rmdir("rootfs");
  rmdir("runtime");
  unlink("netns");
}

static void loopback_up(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {0};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) fail("can't set up the loopback: %s", strerror(errno));
  close(fd);
}

int make_network(const struct start *start, int joined) {
  if (strcmp(start->netns, "host") == 0) return -1;
  int file = open("netns", O_CREAT | O_CLOEXEC | O_RDONLY, 0600);
  if (file < 0) fail("netns: %s", strerror(errno));
  close(file);
  char source[64];
  int back = -1;
  if (joined >= 0) {
    format(source, sizeof source, "/proc/self/fd/%d", joined);
  } else {
    back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (back < 0 || unshare(CLONE_NEWNET) != 0) fail("can't make a network namespace: %s", strerror(errno));
    loopback_up();
    format(source, sizeof source, "/proc/self/ns/net");
  }
  if (mount(source, "netns", NULL, MS_BIND, NULL) != 0) fail("can't keep the network namespace: %s", strerror(errno));
  int netns = open("netns", O_RDONLY | O_CLOEXEC);
  if (back >= 0) {
    if (setns(back, CLONE_NEWNET) != 0) fail("can't return to the machine's network: %s", strerror(errno));
    close(back);
  }
  return netns;
}
