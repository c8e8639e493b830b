// The network helper of one container: names for it (DNS on 127.0.0.11 in its namespace) and ports of the host for the world (proxies in the
// host's). One process, one event loop, nobody's rights once everything is bound.
#ifndef SLIPWAY_NET_H
#define SLIPWAY_NET_H

#include "net-wire.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define MAX_SERVERS 8

// An address and port of either family.
struct endpoint {
  struct sockaddr_storage address;
  socklen_t length;
};

// One line `proxy PROTOCOL HOSTIP HOSTPORT ADDRESS PORT`.
struct proxy_config {
  bool udp;
  struct endpoint listen;
  struct endpoint target;
  char shown[64];
  struct proxy_config *next;
};

struct net_config {
  // ROOT/networks, opened by net_main.
  int networks_fd;
  char container[65];
  char name[256];
  // On 127.0.0.11; packet rules lead there from 53 where it is another.
  uint16_t dns_port;
  // False: whatever the host's resolv.conf names at the time.
  bool has_servers;
  size_t server_count;
  struct endpoint servers[MAX_SERVERS];
  struct proxy_config *proxies;
  struct wire_config *wires;
  // Zero where no network leads out.
  struct in_addr gateway;
};

// Reads a configuration file; error text in `error` and -1 when it can't be understood.
int net_read_config(const char *path, struct net_config *config, char *error, size_t error_size);
// Puts an address and a port together; false when `ip` is none.
bool net_endpoint(const char *ip, unsigned port, struct endpoint *endpoint);

// Binds 127.0.0.11 in the namespace that the thread is in now. -1 with error text.
int dns_listen(uint16_t port, char *error, size_t error_size);
// Serves from now on. Call it in the host's namespace.
void dns_serve(const struct net_config *config);

// Binds all published ports; -1 with docker's words.
int proxy_listen(const struct net_config *config, char *error, size_t error_size);
int proxy_listen_tcp(const struct proxy_config *proxy);
int proxy_listen_udp(const struct proxy_config *proxy);

// `slipway-supervisor net CONFIG`; see net-main.c.
int net_main(int argc, char **argv);

#endif
