// All published ports of a container bound on the host, or none: an address in use is the start's error, in docker's words. The binding is
// also what keeps others from taking a port whose traffic packet rules lead past us.
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int proxy_listen(const struct net_config *config, char *error, size_t error_size) {
  for (const struct proxy_config *proxy = config->proxies; proxy != NULL; proxy = proxy->next) {
    if ((proxy->udp ? proxy_listen_udp(proxy) : proxy_listen_tcp(proxy)) == 0)
      continue;
    int reason = errno;
    char start[400];
    snprintf(start, sizeof start, "driver failed programming external connectivity on endpoint %.128s (%.64s)", config->name, config->container);
    if (reason == EADDRINUSE)
      snprintf(error, error_size, "%s: failed to bind host port %s/%s: address already in use", start, proxy->shown, proxy->udp ? "udp" : "tcp");
    else
      snprintf(error, error_size, "%s: listen %s %s: bind: %s", start, proxy->udp ? "udp" : "tcp", proxy->shown, strerror(reason));
    return -1;
  }
  return 0;
}
