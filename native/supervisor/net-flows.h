// UDP flows that the kernel still leads to who had a port before.
#ifndef SLIPWAY_NET_FLOWS_H
#define SLIPWAY_NET_FLOWS_H

#include "net.h"

// Makes the kernel forget all flows to the UDP ports that are published: a client that never falls silent would otherwise be led to the
// last container's address for ever. Nothing that can't be done is an error. Called as root, in the host's namespace.
void flows_forget(const struct net_config *config);

#endif
