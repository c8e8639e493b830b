// What the two halves of the DNS server share: UDP (dns-server.c) and TCP (dns-tcp.c).
#ifndef SLIPWAY_DNS_SERVER_H
#define SLIPWAY_DNS_SERVER_H

#include "dns-message.h"
#include "net-loop.h"
#include "net.h"

#define MAX_TCP 65535

// How many resolvers may be asked now: none where no network of the container leads out.
size_t dns_server_count(void);
// One of them, in turn; only while there are any.
const struct endpoint *dns_server_at(size_t at);
// Answers what is ours to answer, into `out` of at least `limit` bytes (512 or more); 0 when others must be asked.
size_t dns_answer_own(const uint8_t *message, const struct dns_query *query, uint8_t *out, size_t limit);

// The listening socket has a connection.
void dns_tcp_ready(struct watch *watch, uint32_t events);
// Once a second: what took too long ends.
void dns_tcp_tick(time_t now);

#endif
