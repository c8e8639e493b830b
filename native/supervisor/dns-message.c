// See dns-message.h.
#include "dns-message.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

// Skips a name, compressed or not; 0 when it does not end in time.
static size_t skip_name(const uint8_t *message, size_t length, size_t at) {
  while (at < length) {
    uint8_t size = message[at];
    if (size == 0)
      return at + 1;
    if ((size & 0xc0) == 0xc0)
      return at + 2 <= length ? at + 2 : 0;
    if ((size & 0xc0) != 0)
      return 0;
    at += 1 + (size_t)size;
  }
  return 0;
}

static size_t read_question(const uint8_t *message, size_t length, struct dns_query *query) {
  size_t at = DNS_HEADER, out = 0;
  for (;;) {
    if (at >= length)
      return 0;
    uint8_t size = message[at++];
    if (size == 0)
      break;
    // Questions are never compressed: there is nothing before them to point to.
    if (size > 63 || at + size > length || out + size + 1 > DNS_MAX_NAME)
      return 0;
    if (out > 0)
      query->name[out++] = '.';
    for (uint8_t i = 0; i < size; i++) {
      uint8_t byte = message[at + i];
      if (byte == '.' || byte == 0)
        query->odd = true;
      query->name[out++] = (char)tolower(byte);
    }
    at += size;
  }
  query->name[out] = '\0';
  if (at + 4 > length)
    return 0;
  query->type = get16(message + at);
  query->class = get16(message + at + 2);
  return at + 4;
}

// Looks for the OPT record among the additional ones.
static void read_edns(const uint8_t *message, size_t length, struct dns_query *query) {
  size_t at = query->question_end;
  unsigned records = (unsigned)get16(message + 6) + get16(message + 8) + get16(message + 10);
  for (unsigned i = 0; i < records && i < 32; i++) {
    at = skip_name(message, length, at);
    if (at == 0 || at + 10 > length)
      return;
    uint16_t type = get16(message + at), size = get16(message + at + 2);
    if (type == DNS_OPT) {
      query->has_edns = true;
      query->udp_size = size < 512 ? 512 : size > DNS_MAX_UDP ? DNS_MAX_UDP : size;
      return;
    }
    at += 10 + (size_t)get16(message + at + 8);
  }
}

int dns_parse(const uint8_t *message, size_t length, struct dns_query *query) {
  memset(query, 0, sizeof *query);
  query->udp_size = 512;
  if (length < DNS_HEADER || (message[2] & 0x80) != 0)
    return -1;
  query->id = get16(message);
  query->recursion_desired = (message[2] & 1) != 0;
  if ((message[2] & 0x78) != 0)
    return DNS_NOTIMP;
  if (get16(message + 4) != 1)
    return DNS_FORMERR;
  query->question_end = read_question(message, length, query);
  if (query->question_end == 0)
    return DNS_FORMERR;
  read_edns(message, length, query);
  return 0;
}

void dns_begin(struct dns_answer *answer, uint8_t *bytes, size_t limit, const uint8_t *message, const struct dns_query *query) {
  *answer = (struct dns_answer){.bytes = bytes, .limit = limit - (query->has_edns ? 11 : 0), .length = query->question_end};
  memcpy(bytes, message, query->question_end);
}

// Room for a record about the name asked for, with its head written; NULL marks the answer as cut.
static uint8_t *add_record(struct dns_answer *answer, uint16_t type, uint32_t ttl, size_t size) {
  if (answer->truncated || answer->length + 12 + size > answer->limit) {
    answer->truncated = true;
    return NULL;
  }
  uint8_t *at = answer->bytes + answer->length;
  put16(at, 0xc000 | DNS_HEADER);
  put16(at + 2, type);
  put16(at + 4, 1);
  put16(at + 6, (uint16_t)(ttl >> 16));
  put16(at + 8, (uint16_t)ttl);
  put16(at + 10, (uint16_t)size);
  answer->length += 12 + size;
  answer->count++;
  return at + 12;
}

void dns_add_a(struct dns_answer *answer, const uint8_t address[4], uint32_t ttl) {
  uint8_t *at = add_record(answer, DNS_A, ttl, 4);
  if (at != NULL)
    memcpy(at, address, 4);
}

void dns_add_ptr(struct dns_answer *answer, const char *name, uint32_t ttl) {
  uint8_t encoded[DNS_MAX_NAME + 1];
  size_t out = 0;
  while (*name != '\0') {
    size_t size = strcspn(name, ".");
    if (size == 0 || size > 63 || out + size + 2 > DNS_MAX_NAME)
      return;
    encoded[out++] = (uint8_t)size;
    memcpy(encoded + out, name, size);
    out += size;
    name += size + (name[size] == '.' ? 1 : 0);
  }
  encoded[out++] = 0;
  uint8_t *at = add_record(answer, DNS_PTR, ttl, out);
  if (at != NULL)
    memcpy(at, encoded, out);
}

size_t dns_finish(struct dns_answer *answer, const struct dns_query *query, enum dns_code code) {
  uint8_t *bytes = answer->bytes;
  // An answer, from one who is in charge of the name, recursion on offer.
  bytes[2] = (uint8_t)(0x84 | (answer->truncated ? 2 : 0) | (query->recursion_desired ? 1 : 0));
  bytes[3] = (uint8_t)(0x80 | code);
  put16(bytes + 6, answer->count);
  put16(bytes + 8, 0);
  put16(bytes + 10, query->has_edns ? 1 : 0);
  if (query->has_edns) {
    uint8_t *at = bytes + answer->length;
    memset(at, 0, 11);
    put16(at + 1, DNS_OPT);
    put16(at + 3, 1232);
    answer->length += 11;
  }
  return answer->length;
}

size_t dns_refuse_query(uint8_t *bytes, const uint8_t *message, const struct dns_query *query, enum dns_code code) {
  struct dns_answer answer;
  dns_begin(&answer, bytes, 512, message, query);
  size_t length = dns_finish(&answer, query, code);
  // Not in charge of the name.
  bytes[2] &= (uint8_t)~4;
  return length;
}

size_t dns_refuse(uint8_t *bytes, const uint8_t *message, enum dns_code code) {
  memcpy(bytes, message, 4);
  memset(bytes + 4, 0, DNS_HEADER - 4);
  bytes[2] = (uint8_t)(0x80 | (message[2] & 0x79));
  bytes[3] = (uint8_t)(0x80 | code);
  return DNS_HEADER;
}

bool dns_reverse_address(const char *name, uint8_t address[4]) {
  unsigned part[4];
  int end = 0;
  if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &part[3], &part[2], &part[1], &part[0], &end) != 4 || end == 0 || name[end] != '\0')
    return false;
  for (int i = 0; i < 4; i++) {
    if (part[i] > 255)
      return false;
    address[i] = (uint8_t)part[i];
  }
  return true;
}

bool dns_is_reply(const uint8_t *reply, size_t reply_length, const uint8_t *sent, size_t sent_length, size_t question_end) {
  if (reply_length < DNS_HEADER || sent_length < question_end || (reply[2] & 0x80) == 0 || memcmp(reply, sent, 2) != 0)
    return false;
  // Some servers leave the question out of errors.
  if (get16(reply + 4) == 0)
    return (reply[3] & 15) != DNS_NOERROR;
  if (reply_length < question_end)
    return false;
  for (size_t at = DNS_HEADER; at < question_end; at++) {
    if (tolower(reply[at]) != tolower(sent[at]))
      return false;
  }
  return true;
}
