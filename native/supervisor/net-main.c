// `slipway-supervisor net CONFIG`: wires the container to its networks and binds in both namespaces as root, becomes nobody, says `ok` on standard output, serves until killed.
// Descriptor 3 is the container's network namespace; the process's own is the host's. An error is one line on standard output.
#include "net-flows.h"
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

// What the container's network is made of, before it is served. -1 with error text.
static int wire_up(const struct net_config *config, int host_netns, char *error, size_t size) {
  for (const struct wire_config *wire = config->wires; wire != NULL; wire = wire->next) {
    if (wire_make(wire, CONTAINER_NETNS, error, size) != 0)
      return -1;
  }
  if (setns(CONTAINER_NETNS, CLONE_NEWNET) != 0) {
    snprintf(error, size, "entering the container's network: %s", strerror(errno));
    return -1;
  }
  int result = 0;
  for (const struct wire_config *wire = config->wires; wire != NULL && result == 0; wire = wire->next)
    result = wire_address(wire, error, size);
  if (result == 0 && config->gateway.s_addr != 0)
    result = wire_way_out(config->gateway, error, size);
  if (result == 0)
    result = dns_listen(config->dns_port, error, size);
  if (setns(host_netns, CLONE_NEWNET) != 0) {
    snprintf(error, size, "returning to the host's network: %s", strerror(errno));
    return -1;
  }
  return result;
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
  if (host_netns < 0 || loop_open() != 0) {
    snprintf(error, sizeof error, "starting to serve the network: %s", strerror(errno));
    return fail(error);
  }
  int wired = wire_up(&config, host_netns, error, sizeof error);
  close(host_netns);
  close(CONTAINER_NETNS);
  if (wired != 0 || proxy_listen(&config, error, sizeof error) != 0)
    return fail(error);
  flows_forget(&config);
  if (become_nobody(error, sizeof error) != 0)
    return fail(error);
  dns_serve(&config);
  dprintf(STDOUT_FILENO, "ok\n");
  close(STDOUT_FILENO);
  loop_run();
}
