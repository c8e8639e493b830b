// See dns-names.h.
#include "dns-names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_NETWORKS 64
#define MAX_FILE 65536
#define ID_LENGTH 64

struct member {
  char container[ID_LENGTH + 1];
  uint8_t address[4];
  // Names in lower case, each ended by a NUL, an empty one at the end.
  char *names;
};

struct network {
  char id[ID_LENGTH + 1];
  char name[256];
  struct timespec changed;
  // Read so soon after a change that another one may have the same time.
  bool fresh;
  struct member *members;
  size_t count;
};

static int networks_fd;
static const char *own_container;
static struct timespec attached_changed;
static bool attached_fresh = true;
static struct network networks[MAX_NETWORKS];
static size_t network_count;
static bool leads_out;

void names_open(int fd, const char *container) {
  networks_fd = fd;
  own_container = container;
}

// The whole of a small file as text, at most MAX_FILE bytes; NULL when it can't be read. The caller frees it.
static char *read_text(const char *path) {
  int fd = openat(networks_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return NULL;
  char *text = NULL;
  struct stat stat;
  if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size <= MAX_FILE && (text = malloc((size_t)stat.st_size + 1)) != NULL) {
    ssize_t size = read(fd, text, (size_t)stat.st_size);
    text[size < 0 ? 0 : size] = '\0';
  }
  close(fd);
  return text;
}

static bool same_time(const struct timespec *one, const struct timespec *other) {
  return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

// Times of files tick a few hundred times a second: what changed just now may change again unseen.
static bool is_fresh(const struct timespec *changed) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  long long age = (now.tv_sec - changed->tv_sec) * 1000000000LL + (now.tv_nsec - changed->tv_nsec);
  return age < 50000000LL;
}

// Whether `path` must be read (again); notes its time. A path that is not there has the time 0.
static bool has_changed(const char *path, struct timespec *changed, bool *fresh) {
  struct stat stat;
  struct timespec now = {0, 0};
  if (fstatat(networks_fd, path, &stat, AT_SYMLINK_NOFOLLOW) == 0)
    now = stat.st_mtim;
  if (!*fresh && same_time(&now, changed))
    return false;
  *changed = now;
  *fresh = is_fresh(&now);
  return true;
}

static void forget_members(struct network *network) {
  for (size_t at = 0; at < network->count; at++)
    free(network->members[at].names);
  free(network->members);
  network->members = NULL;
  network->count = 0;
}

// `ip A`, `name N`… of one member's file, which is changed. False when it has no address.
static bool parse_member(char *text, struct member *member) {
  bool has_address = false;
  size_t out = 0;
  member->names = malloc(strlen(text) + 2);
  if (member->names == NULL)
    return false;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
    if (strncmp(line, "ip ", 3) == 0)
      has_address = inet_pton(AF_INET, line + 3, member->address) == 1;
    if (strncmp(line, "name ", 5) != 0 || line[5] == '\0')
      continue;
    for (const char *from = line + 5; *from != '\0'; from++)
      member->names[out++] = (char)tolower((unsigned char)*from);
    member->names[out++] = '\0';
  }
  member->names[out] = '\0';
  if (!has_address)
    free(member->names);
  return has_address;
}

static void read_members(struct network *network, const char *path) {
  forget_members(network);
  int fd = openat(networks_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (dir == NULL) {
    if (fd >= 0)
      close(fd);
    return;
  }
  size_t room = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    size_t length = strlen(entry->d_name);
    if (length > ID_LENGTH || strspn(entry->d_name, "0123456789abcdef") != length)
      continue;
    char file[3 * ID_LENGTH];
    snprintf(file, sizeof file, "%.64s/members/%.64s", network->id, entry->d_name);
    char *text = read_text(file);
    if (text == NULL)
      continue;
    if (network->count == room) {
      room = room == 0 ? 16 : room * 2;
      struct member *larger = realloc(network->members, room * sizeof *larger);
      if (larger == NULL) {
        free(text);
        break;
      }
      network->members = larger;
    }
    struct member *member = &network->members[network->count];
    memcpy(member->container, entry->d_name, length + 1);
    if (parse_member(text, member))
      network->count++;
    free(text);
  }
  closedir(dir);
}

static void read_attached(const char *path) {
  char *text = read_text(path);
  for (size_t at = 0; at < network_count; at++)
    forget_members(&networks[at]);
  network_count = 0;
  leads_out = false;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && network_count < MAX_NETWORKS;) {
    struct network *network = &networks[network_count];
    memset(network, 0, sizeof *network);
    char kind[16] = "";
    if (sscanf(line, "network %64[0-9a-f] %255s %15s", network->id, network->name, kind) < 1)
      continue;
    leads_out = leads_out || strcmp(kind, "internal") != 0;
    network->fresh = true;
    network_count++;
  }
  free(text);
}

static void refresh(void) {
  char path[3 * ID_LENGTH];
  snprintf(path, sizeof path, "attached/%.64s", own_container);
  if (has_changed(path, &attached_changed, &attached_fresh))
    read_attached(path);
  for (size_t at = 0; at < network_count; at++) {
    struct network *network = &networks[at];
    snprintf(path, sizeof path, "%.64s/members", network->id);
    if (has_changed(path, &network->changed, &network->fresh))
      read_members(network, path);
  }
}

// Its supervisor holds a lock for as long as it lives.
static bool is_live(const struct member *member) {
  char path[2 * ID_LENGTH];
  snprintf(path, sizeof path, "live/%.64s", member->container);
  int fd = openat(networks_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return false;
  bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return held;
}

static bool is_called(const struct network *network, const struct member *member, const char *name) {
  for (const char *each = member->names; *each != '\0'; each += strlen(each) + 1) {
    size_t length = strlen(each);
    if (strncmp(name, each, length) != 0)
      continue;
    if (name[length] == '\0' || (name[length] == '.' && strcasecmp(name + length + 1, network->name) == 0))
      return true;
  }
  return false;
}

size_t names_find(const char *name, uint8_t (*addresses)[4], size_t room, bool *known) {
  refresh();
  *known = false;
  size_t found = 0;
  for (size_t n = 0; n < network_count; n++) {
    for (size_t m = 0; m < networks[n].count; m++) {
      const struct member *member = &networks[n].members[m];
      if (!is_called(&networks[n], member, name))
        continue;
      bool live = is_live(member);
      *known = *known || live;
      if (live && found < room)
        memcpy(addresses[found++], member->address, 4);
    }
    // A name means one network's members: the first that knows it.
    if (found > 0)
      break;
  }
  return found;
}

bool names_reverse(const uint8_t address[4], char *name, size_t size) {
  refresh();
  for (size_t n = 0; n < network_count; n++) {
    for (size_t m = 0; m < networks[n].count; m++) {
      const struct member *member = &networks[n].members[m];
      if (memcmp(member->address, address, 4) != 0 || !is_live(member))
        continue;
      snprintf(name, size, networks[n].name[0] == '\0' ? "%.253s" : "%.200s.%.54s", member->names, networks[n].name);
      return true;
    }
  }
  return false;
}

bool names_lead_out(void) {
  refresh();
  return leads_out;
}
