// Hostile DNS packets against the functions that read and write them, under the sanitizers: seeded mutations of good queries, so that a failure
// can be had again. `dns-fuzz ROUNDS [SEED]`; compiled and run by test/integration/dns-fuzz.test.ts.
#include "../supervisor/dns-message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint32_t next(void) {
  state = state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (uint32_t)(state >> 33);
}

static const uint8_t SEEDS[][64] = {
    {1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'e', 'b', 0, 0, 1, 0, 1},
    {1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, 'w', 'e', 'b', 4, 's', 'h', 'o', 'p', 0, 0, 28, 0, 1, 0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0},
    {1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, '2', 1, '0', 2, '1', '8', 3, '1', '7', '2', 7, 'i', 'n', '-', 'a', 'd', 'd', 'r', 4, 'a', 'r', 'p', 'a', 0, 0, 12, 0, 1},
    {1, 2, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 3, 'w', 'e', 'b', 0, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4},
};
static const size_t LENGTHS[] = {21, 37, 41, 37};

static void once(void) {
  size_t which = next() % 4, length = LENGTHS[which];
  // Of exactly this size, so that the sanitizer sees one byte too many.
  if (next() % 8 == 0)
    length = next() % (length + 1);
  else if (next() % 8 == 0)
    length += next() % 600;
  uint8_t *message = calloc(1, length + 1);
  uint8_t *exact = malloc(length == 0 ? 1 : length);
  memcpy(message, SEEDS[which], length < 64 ? length : 64);
  for (unsigned flips = next() % 8; flips > 0 && length > 0; flips--)
    message[next() % length] = (uint8_t)next();
  memcpy(exact, message, length);
  struct dns_query query;
  int parsed = dns_parse(exact, length, &query);
  uint8_t *out = malloc(512);
  if (parsed > 0)
    dns_refuse(out, exact, (enum dns_code)parsed);
  if (parsed == 0) {
    struct dns_answer answer;
    uint8_t address[4];
    dns_begin(&answer, out, 512, exact, &query);
    for (unsigned count = next() % 64; count > 0; count--)
      dns_add_a(&answer, (const uint8_t[4]){1, 2, 3, 4}, 600);
    char name[DNS_MAX_NAME + 1];
    size_t size = next() % sizeof name;
    for (size_t at = 0; at < size; at++)
      name[at] = next() % 5 == 0 ? '.' : 'a';
    name[size] = 0;
    dns_add_ptr(&answer, name, 600);
    size_t made = dns_finish(&answer, &query, DNS_NOERROR);
    struct dns_query again;
    out[2] &= 0x7f;
    if (made > 512 || dns_parse(out, made, &again) != 0 || strcmp(again.name, query.name) != 0) {
      fprintf(stderr, "an answer does not hold its question\n");
      abort();
    }
    dns_refuse_query(out, exact, &query, DNS_SERVFAIL);
    dns_reverse_address(query.name, address);
    uint8_t reply[600];
    size_t reply_length = next() % sizeof reply;
    for (size_t at = 0; at < reply_length; at++)
      reply[at] = next() % 2 == 0 && at < length ? exact[at] : (uint8_t)next();
    dns_is_reply(reply, reply_length, exact, length, query.question_end);
  }
  free(out);
  free(exact);
  free(message);
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 100000;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  for (long at = 0; at < rounds; at++)
    once();
  printf("%ld packets\n", rounds);
  return 0;
}
