// The names that a container may ask for: those of the living members of its networks, read from the files that src/running/networks/members.ts
// writes, again whenever a folder changed. Nothing is held between queries but the text of those files.
#ifndef SLIPWAY_DNS_NAMES_H
#define SLIPWAY_DNS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ADDRESSES 512

// `networks_fd` is ROOT/networks; `container` lives as long as the process.
void names_open(int networks_fd, const char *container);
// Addresses of all living members called `name` (lower case; `NAME.NETWORK` too), at most `room`. `known` tells whether any is,
//   then nobody else is asked.
size_t names_find(const char *name, uint8_t (*addresses)[4], size_t room, bool *known);
// The first name of the member with this address, with its network's: `web.shop_default`.
bool names_reverse(const uint8_t address[4], char *name, size_t size);
// Whether any of the container's networks leads out of this machine: only then are names of others asked for.
bool names_lead_out(void);

#endif
