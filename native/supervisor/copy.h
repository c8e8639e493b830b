// Entries of a tree as they go between slipway and a container: a fixed head, the path, a link's target, then the file's bytes. All
// numbers little-endian. The other half is src/running/containers/copy-entries.ts.

#ifndef COPY_H
#define COPY_H

#include <stdint.h>

enum { ENTRY_FILE = 'f', ENTRY_DIR = 'd', ENTRY_SYMLINK = 'l', ENTRY_HARDLINK = 'h', ENTRY_NODE = 'n', ENTRY_END = 'e', ENTRY_ERROR = 'x' };

struct __attribute__((packed)) entry_head {
  uint8_t type;
  uint8_t pad[3];
  /** With the bits of the kind. */
  uint32_t mode, uid, gid, major, minor;
  uint32_t path_size, link_size;
  int64_t mtime_s;
  uint32_t mtime_ns;
  uint64_t size;
};

#define MAX_PATH_BYTES 65536

int copy_out_main(int argc, char **argv);
int copy_in_main(int argc, char **argv);
int stat_main(int argc, char **argv);
/** Enters the container: `PID` its mount namespace, or `ROOT` (a path) as root folder. Ends the process when it can't. */
void copy_enter(const char *where);

#endif
