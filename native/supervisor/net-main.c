// `slipway-supervisor net CONFIG`: binds in both namespaces as root, becomes nobody, says `ok` on standard output, serves until killed.
// Descriptor 3 is the container's network namespace; the process's own is the host's. An error is one line on standard output.
#include "net-loop.h"
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONTAINER_NETNS 3
#define NOBODY 65534

static int fail(const char *text) {
  dprintf(STDOUT_FILENO, "%s\n", text);
  return 1;
}

static int become_nobody(char *error, size_t size) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
      setresuid(NOBODY, NOBODY, NOBODY) != 0) {
    snprintf(error, size, "giving up root's rights: %s", strerror(errno));
    return -1;
  }
  return 0;
}

int net_main(int argc, char **argv) {
  static struct net_config config;
  char error[512] = "usage: net CONFIG";
  if (argc != 2)
    return fail(error);
  signal(SIGPIPE, SIG_IGN);
  if (net_read_config(argv[1], &config, error, sizeof error) != 0)
    return fail(error);
  int host_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (host_netns < 0 || loop_open() != 0 || setns(CONTAINER_NETNS, CLONE_NEWNET) != 0) {
    snprintf(error, sizeof error, "entering the container's network: %s", strerror(errno));
    return fail(error);
  }
  int listening = dns_listen(config.dns_port, error, sizeof error);
  if (setns(host_netns, CLONE_NEWNET) != 0) {
    snprintf(error, sizeof error, "returning to the host's network: %s", strerror(errno));
    return fail(error);
  }
  close(host_netns);
  close(CONTAINER_NETNS);
  if (listening != 0 || proxy_listen(&config, error, sizeof error) != 0 || become_nobody(error, sizeof error) != 0)
    return fail(error);
  dns_serve(&config);
  dprintf(STDOUT_FILENO, "ok\n");
  close(STDOUT_FILENO);
  loop_run();
}
