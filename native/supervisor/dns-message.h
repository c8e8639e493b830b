// DNS messages as bytes: a query taken apart with every length checked, an answer put together within a limit. No input can make these
// functions read or write outside of what they are given. Spec: RFC 1035 section 4, RFC 6891 (EDNS).
#ifndef SLIPWAY_DNS_MESSAGE_H
#define SLIPWAY_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER 12
#define DNS_MAX_NAME 255
#define DNS_MAX_UDP 4096

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };
enum dns_code { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5 };

struct dns_query {
  uint16_t id;
  uint16_t type;
  uint16_t class;
  bool recursion_desired;
  bool has_edns;
  // What the asker takes over UDP: 512 to DNS_MAX_UDP.
  size_t udp_size;
  // Lower case, without the last dot; labels with bytes other than letters, digits, `-`, `_` stay as they are.
  char name[DNS_MAX_NAME + 1];
  // A label holds a dot or a NUL: the name is nobody's of ours.
  bool odd;
  // Where the question ends.
  size_t question_end;
};

// Takes a query apart. Returns 0; -1 for what deserves no answer (too short, an answer itself); a dns_code to refuse it with.
int dns_parse(const uint8_t *message, size_t length, struct dns_query *query);

// An answer being written.
struct dns_answer {
  uint8_t *bytes;
  size_t limit;
  size_t length;
  uint16_t count;
  bool truncated;
};

// Begins an answer with the question of `message`; `bytes` has room for `limit` bytes, at least 512.
void dns_begin(struct dns_answer *answer, uint8_t *bytes, size_t limit, const uint8_t *message, const struct dns_query *query);
// Adds an address of the name asked for.
void dns_add_a(struct dns_answer *answer, const uint8_t address[4], uint32_t ttl);
// Adds a pointer to `name`, dotted text.
void dns_add_ptr(struct dns_answer *answer, const char *name, uint32_t ttl);
// Finishes it; returns its length.
size_t dns_finish(struct dns_answer *answer, const struct dns_query *query, enum dns_code code);
// A refusal with the question of a query that was understood; returns its length. `bytes` has room for 512.
size_t dns_refuse_query(uint8_t *bytes, const uint8_t *message, const struct dns_query *query, enum dns_code code);
// A bare refusal of a message that is at least a header long; returns its length (DNS_HEADER).
size_t dns_refuse(uint8_t *bytes, const uint8_t *message, enum dns_code code);

// The address that a name such as 2.0.18.172.in-addr.arpa is about.
bool dns_reverse_address(const char *name, uint8_t address[4]);
// Whether `reply` answers the query that was sent as `sent`: same id, same question.
bool dns_is_reply(const uint8_t *reply, size_t reply_length, const uint8_t *sent, size_t sent_length, size_t question_end);

#endif
