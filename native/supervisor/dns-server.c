// The container's DNS server on 127.0.0.11: names of its networks from files, everything else from the host's resolvers (asked in the
// host's namespace, so that one on the host's loopback works too). All is bounded: questions under way, clients, bytes, time.
// Counterpart: moby/libnetwork resolver.go.
#include "dns-message.h"
#include "dns-names.h"
#include "dns-server.h"
#include "net-loop.h"
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TTL 600
#define MAX_PENDING 256
#define ATTEMPT_SECONDS 2
#define ROUNDS 2

// One question passed on. Over UDP it has a socket of its own, so that its port can't be guessed.
struct pending {
  struct watch watch;
  bool used;
  struct sockaddr_in from;
  uint16_t id;
  size_t question_end;
  size_t server;
  size_t attempts;
  time_t deadline;
  size_t length;
  uint8_t message[DNS_MAX_UDP];
};

static const struct net_config *config;
static struct watch udp, tcp;
static struct pending *pending[MAX_PENDING];
static struct endpoint host_servers[MAX_SERVERS];
static size_t host_server_count;
static struct timespec host_changed;

static int listen_on(struct watch *watch, int type, uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int yes = 1;
  inet_pton(AF_INET, "127.0.0.11", &address.sin_addr);
  watch->fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (watch->fd < 0)
    return -1;
  setsockopt(watch->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(watch->fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return type == SOCK_STREAM ? listen(watch->fd, 64) : 0;
}

int dns_listen(uint16_t port, char *error, size_t error_size) {
  if (listen_on(&udp, SOCK_DGRAM, port) == 0 && listen_on(&tcp, SOCK_STREAM, port) == 0)
    return 0;
  snprintf(error, error_size, "listening on 127.0.0.11:%u in the container: %s", port, strerror(errno));
  return -1;
}

static void read_host_servers(void) {
  struct stat stat_;
  if (stat("/etc/resolv.conf", &stat_) != 0)
    return;
  if (stat_.st_mtim.tv_sec == host_changed.tv_sec && stat_.st_mtim.tv_nsec == host_changed.tv_nsec)
    return;
  FILE *file = fopen("/etc/resolv.conf", "re");
  if (file == NULL)
    return;
  host_changed = stat_.st_mtim;
  host_server_count = 0;
  char line[512], ip[64];
  while (fgets(line, sizeof line, file) != NULL && host_server_count < MAX_SERVERS) {
    if (sscanf(line, " nameserver %63s", ip) == 1 && net_endpoint(ip, 53, &host_servers[host_server_count]))
      host_server_count++;
  }
  fclose(file);
}

size_t dns_server_count(void) {
  if (!names_lead_out())
    return 0;
  if (config->has_servers)
    return config->server_count;
  read_host_servers();
  return host_server_count;
}

const struct endpoint *dns_server_at(size_t at) {
  return config->has_servers ? &config->servers[at % config->server_count] : &host_servers[at % host_server_count];
}

size_t dns_answer_own(const uint8_t *message, const struct dns_query *query, uint8_t *out, size_t limit) {
  static uint8_t addresses[MAX_ADDRESSES][4];
  static size_t turn;
  struct dns_answer answer;
  if (query->class != 1 || query->odd || query->name[0] == '\0')
    return 0;
  if (query->type == DNS_PTR) {
    uint8_t address[4];
    char name[DNS_MAX_NAME + 1];
    if (!dns_reverse_address(query->name, address) || !names_reverse(address, name, sizeof name))
      return 0;
    dns_begin(&answer, out, limit, message, query);
    dns_add_ptr(&answer, name, TTL);
    return dns_finish(&answer, query, DNS_NOERROR);
  }
  bool known;
  size_t count = names_find(query->name, addresses, MAX_ADDRESSES, &known);
  if (!known)
    return 0;
  dns_begin(&answer, out, limit, message, query);
  // Several members of one name take turns at coming first.
  size_t first = count == 0 ? 0 : turn++ % count;
  if (query->type == DNS_A || query->type == DNS_ANY) {
    for (size_t at = 0; at < count; at++)
      dns_add_a(&answer, addresses[(first + at) % count], TTL);
  }
  return dns_finish(&answer, query, DNS_NOERROR);
}

static void send_udp(const struct sockaddr_in *to, const uint8_t *bytes, size_t length) {
  sendto(udp.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to, sizeof *to);
}

static void forget_pending(struct watch *watch) {
  struct pending *one = (struct pending *)watch;
  for (size_t at = 0; at < MAX_PENDING; at++) {
    if (pending[at] == one)
      pending[at] = NULL;
  }
  free(one);
}

static void give_up(struct pending *one) {
  uint8_t refusal[512];
  struct dns_query query;
  one->message[0] = (uint8_t)(one->id >> 8);
  one->message[1] = (uint8_t)one->id;
  if (dns_parse(one->message, one->length, &query) == 0)
    send_udp(&one->from, refusal, dns_refuse_query(refusal, one->message, &query, DNS_SERVFAIL));
}

static void upstream_udp_ready(struct watch *watch, uint32_t events);

// Sends the question to the next server, or gives up. The watch is closed and made anew: a new socket has a new port.
static struct pending *pass_on(const struct pending *from) {
  struct pending *one = NULL;
  size_t at = 0;
  while (at < MAX_PENDING && pending[at] != NULL)
    at++;
  size_t servers = dns_server_count();
  if (at == MAX_PENDING || servers == 0 || from->attempts >= servers * ROUNDS)
    return NULL;
  const struct endpoint *server = dns_server_at(from->attempts);
  int fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || (one = malloc(sizeof *one)) == NULL)
    goto fail;
  *one = *from;
  one->watch = (struct watch){.fd = fd, .ready = upstream_udp_ready, .release = forget_pending};
  one->attempts = from->attempts + 1;
  one->deadline = loop_now() + ATTEMPT_SECONDS;
  if (getrandom(one->message, 2, GRND_NONBLOCK) != 2)
    memcpy(one->message, &one->id, 2);
  if (connect(fd, (const struct sockaddr *)&server->address, server->length) != 0 || loop_add(&one->watch, EPOLLIN) != 0)
    goto fail;
  pending[at] = one;
  // An error of sending is told by the socket as one of receiving, or by time.
  (void)!send(fd, one->message, one->length, MSG_NOSIGNAL);
  return one;
fail:
  if (fd >= 0)
    close(fd);
  free(one);
  return NULL;
}

static void next_server(struct pending *one) {
  struct pending again = *one;
  loop_close(&one->watch);
  while (pass_on(&again) == NULL) {
    size_t servers = dns_server_count();
    if (servers == 0 || ++again.attempts >= servers * ROUNDS) {
      give_up(&again);
      return;
    }
  }
}

static void upstream_udp_ready(struct watch *watch, uint32_t events) {
  struct pending *one = (struct pending *)watch;
  static uint8_t reply[MAX_TCP];
  (void)events;
  ssize_t length = recv(watch->fd, reply, sizeof reply, MSG_DONTWAIT);
  if (length < 0) {
    if (errno != EAGAIN && errno != EINTR)
      next_server(one);
    return;
  }
  if (!dns_is_reply(reply, (size_t)length, one->message, one->length, one->question_end))
    return;
  unsigned code = reply[3] & 15;
  if ((code == DNS_SERVFAIL || code == DNS_REFUSED) && one->attempts < dns_server_count()) {
    next_server(one);
    return;
  }
  reply[0] = (uint8_t)(one->id >> 8);
  reply[1] = (uint8_t)one->id;
  send_udp(&one->from, reply, (size_t)length);
  loop_close(watch);
}

static void udp_ready(struct watch *watch, uint32_t events) {
  static uint8_t message[DNS_MAX_UDP], out[DNS_MAX_UDP];
  (void)events;
  for (int burst = 0; burst < 64; burst++) {
    struct sockaddr_in from;
    socklen_t from_length = sizeof from;
    ssize_t length = recvfrom(watch->fd, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
    if (length < 0)
      return;
    struct dns_query query;
    int parsed = dns_parse(message, (size_t)length, &query);
    if (parsed < 0)
      continue;
    if (parsed > 0) {
      send_udp(&from, out, dns_refuse(out, message, (enum dns_code)parsed));
      continue;
    }
    size_t own = dns_answer_own(message, &query, out, query.udp_size);
    if (own > 0) {
      send_udp(&from, out, own);
      continue;
    }
    struct pending question = {.from = from, .id = query.id, .question_end = query.question_end, .length = (size_t)length};
    memcpy(question.message, message, (size_t)length);
    while (pass_on(&question) == NULL) {
      size_t servers = dns_server_count();
      if (servers == 0 || ++question.attempts >= servers * ROUNDS) {
        give_up(&question);
        break;
      }
    }
  }
}

static void tick(time_t now) {
  for (size_t at = 0; at < MAX_PENDING; at++) {
    if (pending[at] != NULL && !pending[at]->watch.closed && now > pending[at]->deadline)
      next_server(pending[at]);
  }
}

void dns_serve(const struct net_config *with) {
  config = with;
  names_open(with->networks_fd, with->container);
  udp.ready = udp_ready;
  tcp.ready = dns_tcp_ready;
  loop_add(&udp, EPOLLIN);
  loop_add(&tcp, EPOLLIN);
  loop_on_tick(tick);
  loop_on_tick(dns_tcp_tick);
}
