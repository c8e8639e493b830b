// A container's wires: pairs of devices between its namespace and bridges of the host, with their addresses and the way out.
#ifndef SLIPWAY_NET_WIRE_H
#define SLIPWAY_NET_WIRE_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct wire_config {
  // The host's end, the container's, and the bridge.
  char host[IFNAMSIZ], inside[IFNAMSIZ], bridge[IFNAMSIZ];
  uint8_t mac[6];
  struct in_addr address;
  uint8_t bits;
  struct wire_config *next;
};

// Makes one, with the host's end on its bridge and up. Called in the host's namespace; -1 with error text.
int wire_make(const struct wire_config *wire, int container_netns, char *error, size_t error_size);
// Gives the container's end its address. Called in the container's namespace; -1 with error text.
int wire_address(const struct wire_config *wire, char *error, size_t error_size);
// Sets the default route, in the container's namespace; -1 with error text.
int wire_way_out(struct in_addr gateway, char *error, size_t error_size);

#endif
