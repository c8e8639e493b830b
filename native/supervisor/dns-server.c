// The container's DNS server on 127.0.0.11: names of its networks from files, everything else from the host's resolvers (asked in the
// host's namespace, so that one on the host's loopback works too). All is bounded: questions under way, clients, bytes, time.
// Counterpart: moby/libnetwork resolver.go.
#include "dns-message.h"
#include "dns-names.h"
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
#define MAX_CLIENTS 64
#define CLIENT_IDLE 10
#define ATTEMPT_SECONDS 2
#define ROUNDS 2
#define MAX_TCP 65535

// One question passed on. Over UDP it has a socket of its own, so that its port can't be guessed.
struct pending {
  struct watch watch;
  bool used;
  // Who asked: an address of the UDP socket, or a client.
  struct sockaddr_in from;
  struct client *client;
  uint16_t id;
  size_t question_end;
  size_t server;
  size_t attempts;
  time_t deadline;
  size_t length;
  uint8_t message[DNS_MAX_UDP];
};

// A TCP connection of the container; one question at a time.
struct client {
  struct watch watch;
  time_t last;
  size_t have;
  // Questions and answers with their two bytes of length.
  uint8_t in[2 + DNS_MAX_UDP];
  uint8_t *out;
  size_t out_length, out_sent;
  // The connection to a server, while one is asked.
  struct upstream *upstream;
};

struct upstream {
  struct watch watch;
  struct client *client;
  size_t server;
  size_t sent, have;
  size_t question_end;
  time_t deadline;
  uint8_t *in;
};

static const struct net_config *config;
static struct watch udp, tcp;
static struct pending *pending[MAX_PENDING];
static struct client *clients[MAX_CLIENTS];
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

static size_t server_count(void) {
  if (!names_lead_out())
    return 0;
  if (config->has_servers)
    return config->server_count;
  read_host_servers();
  return host_server_count;
}

static const struct endpoint *server_at(size_t at) {
  return config->has_servers ? &config->servers[at % config->server_count] : &host_servers[at % host_server_count];
}

// Answers what is ours to answer, into `out` of at least DNS_MAX_UDP bytes; 0 when others must be asked.
static size_t answer_own(const uint8_t *message, const struct dns_query *query, uint8_t *out, size_t limit) {
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
  size_t servers = server_count();
  if (at == MAX_PENDING || servers == 0 || from->attempts >= servers * ROUNDS)
    return NULL;
  const struct endpoint *server = server_at(from->attempts);
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
    size_t servers = server_count();
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
  if ((code == DNS_SERVFAIL || code == DNS_REFUSED) && one->attempts < server_count()) {
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
    size_t own = answer_own(message, &query, out, query.udp_size);
    if (own > 0) {
      send_udp(&from, out, own);
      continue;
    }
    struct pending question = {.from = from, .id = query.id, .question_end = query.question_end, .length = (size_t)length};
    memcpy(question.message, message, (size_t)length);
    while (pass_on(&question) == NULL) {
      size_t servers = server_count();
      if (servers == 0 || ++question.attempts >= servers * ROUNDS) {
        give_up(&question);
        break;
      }
    }
  }
}

static void forget_upstream(struct watch *watch) {
  struct upstream *one = (struct upstream *)watch;
  free(one->in);
  free(one);
}

static void drop_upstream(struct upstream *one) {
  if (one->client != NULL)
    one->client->upstream = NULL;
  one->client = NULL;
  loop_close(&one->watch);
}

static void forget_client(struct watch *watch) {
  struct client *client = (struct client *)watch;
  for (size_t at = 0; at < MAX_CLIENTS; at++) {
    if (clients[at] == client)
      clients[at] = NULL;
  }
  free(client->out);
  free(client);
}

static void drop_client(struct client *client) {
  if (client->upstream != NULL)
    drop_upstream(client->upstream);
  loop_close(&client->watch);
}

static void flush_client(struct client *client) {
  while (client->out_sent < client->out_length) {
    ssize_t sent = send(client->watch.fd, client->out + client->out_sent, client->out_length - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR)
        drop_client(client);
      else
        loop_change(&client->watch, EPOLLOUT);
      return;
    }
    client->out_sent += (size_t)sent;
  }
  free(client->out);
  client->out = NULL;
  client->out_length = client->out_sent = 0;
  loop_change(&client->watch, EPOLLIN);
}

// Answers the question at the front of the client's buffer and takes it out.
static void reply_client(struct client *client, const uint8_t *bytes, size_t length) {
  size_t used = 2 + (size_t)(client->in[0] << 8 | client->in[1]);
  memmove(client->in, client->in + used, client->have - used);
  client->have -= used;
  client->out = malloc(length + 2);
  if (client->out == NULL) {
    drop_client(client);
    return;
  }
  client->out[0] = (uint8_t)(length >> 8);
  client->out[1] = (uint8_t)length;
  memcpy(client->out + 2, bytes, length);
  client->out_length = length + 2;
  flush_client(client);
}

static void ask_upstream(struct client *client, size_t server, size_t question_end);
static void serve_client(struct client *client);

static void upstream_failed(struct upstream *one) {
  struct client *client = one->client;
  size_t server = one->server + 1, question_end = one->question_end;
  drop_upstream(one);
  if (client == NULL)
    return;
  ask_upstream(client, server, question_end);
  serve_client(client);
}

static void upstream_tcp_ready(struct watch *watch, uint32_t events) {
  struct upstream *one = (struct upstream *)watch;
  struct client *client = one->client;
  (void)events;
  if (client == NULL)
    return;
  size_t length = 2 + (size_t)(client->in[0] << 8 | client->in[1]);
  while (one->sent < length) {
    ssize_t sent = send(watch->fd, client->in + one->sent, length - one->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR)
        upstream_failed(one);
      return;
    }
    one->sent += (size_t)sent;
  }
  loop_change(watch, EPOLLIN);
  ssize_t got = recv(watch->fd, one->in + one->have, 2 + MAX_TCP - one->have, MSG_DONTWAIT);
  if (got <= 0) {
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
      upstream_failed(one);
    return;
  }
  one->have += (size_t)got;
  size_t size = one->have < 2 ? 0 : (size_t)(one->in[0] << 8 | one->in[1]);
  if (one->have < 2 || one->have < 2 + size)
    return;
  if (!dns_is_reply(one->in + 2, size, client->in + 2, length - 2, one->question_end)) {
    upstream_failed(one);
    return;
  }
  client->upstream = NULL;
  one->client = NULL;
  reply_client(client, one->in + 2, size);
  loop_close(watch);
  serve_client(client);
}

static void ask_upstream(struct client *client, size_t server, size_t question_end) {
  struct upstream *one = NULL;
  for (size_t servers = server_count(); server < servers; server++) {
    const struct endpoint *to = server_at(server);
    int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    one = fd < 0 ? NULL : calloc(1, sizeof *one);
    if (one != NULL && (one->in = malloc(2 + MAX_TCP)) != NULL &&
        (connect(fd, (const struct sockaddr *)&to->address, to->length) == 0 || errno == EINPROGRESS)) {
      one->watch = (struct watch){.fd = fd, .ready = upstream_tcp_ready, .release = forget_upstream};
      one->client = client;
      one->server = server;
      one->question_end = question_end;
      one->deadline = loop_now() + 2 * ATTEMPT_SECONDS;
      if (loop_add(&one->watch, EPOLLIN | EPOLLOUT) == 0) {
        client->upstream = one;
        // While a server is asked, the client is only watched for its end.
        loop_change(&client->watch, 0);
        return;
      }
    }
    if (one != NULL)
      free(one->in);
    free(one);
    if (fd >= 0)
      close(fd);
  }
  uint8_t refusal[512];
  struct dns_query query;
  size_t length = (size_t)(client->in[0] << 8 | client->in[1]);
  if (dns_parse(client->in + 2, length, &query) == 0)
    reply_client(client, refusal, dns_refuse_query(refusal, client->in + 2, &query, DNS_SERVFAIL));
}

// Handles the whole questions that have come, until one has to wait.
static void serve_client(struct client *client) {
  static uint8_t out[MAX_TCP];
  while (!client->watch.closed && client->upstream == NULL && client->out == NULL && client->have >= 2) {
    size_t length = (size_t)(client->in[0] << 8 | client->in[1]);
    if (length > DNS_MAX_UDP || length < DNS_HEADER) {
      drop_client(client);
      return;
    }
    if (client->have < 2 + length)
      return;
    struct dns_query query;
    int parsed = dns_parse(client->in + 2, length, &query);
    if (parsed < 0) {
      drop_client(client);
      return;
    }
    size_t own = parsed > 0 ? dns_refuse(out, client->in + 2, (enum dns_code)parsed) : answer_own(client->in + 2, &query, out, sizeof out);
    if (own > 0)
      reply_client(client, out, own);
    else
      ask_upstream(client, 0, query.question_end);
  }
}

static void client_ready(struct watch *watch, uint32_t events) {
  struct client *client = (struct client *)watch;
  client->last = loop_now();
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    drop_client(client);
    return;
  }
  if (client->out != NULL)
    flush_client(client);
  if (!watch->closed && (events & EPOLLIN) != 0 && client->upstream == NULL && client->out == NULL) {
    ssize_t got = recv(watch->fd, client->in + client->have, sizeof client->in - client->have, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      drop_client(client);
      return;
    }
    client->have += got < 0 ? 0 : (size_t)got;
  }
  serve_client(client);
}

static void tcp_ready(struct watch *watch, uint32_t events) {
  (void)events;
  int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0)
    return;
  size_t at = 0;
  while (at < MAX_CLIENTS && clients[at] != NULL)
    at++;
  struct client *client = at == MAX_CLIENTS ? NULL : calloc(1, sizeof *client);
  if (client == NULL) {
    close(fd);
    return;
  }
  client->watch = (struct watch){.fd = fd, .ready = client_ready, .release = forget_client};
  client->last = loop_now();
  if (loop_add(&client->watch, EPOLLIN) != 0) {
    close(fd);
    free(client);
    return;
  }
  clients[at] = client;
}

static void tick(time_t now) {
  for (size_t at = 0; at < MAX_PENDING; at++) {
    if (pending[at] != NULL && !pending[at]->watch.closed && now > pending[at]->deadline)
      next_server(pending[at]);
  }
  for (size_t at = 0; at < MAX_CLIENTS; at++) {
    struct client *client = clients[at];
    if (client == NULL || client->watch.closed)
      continue;
    if (client->upstream != NULL && now > client->upstream->deadline)
      upstream_failed(client->upstream);
    else if (client->upstream == NULL && now > client->last + CLIENT_IDLE)
      drop_client(client);
  }
}

void dns_serve(const struct net_config *with) {
  config = with;
  names_open(with->networks_fd, with->container);
  udp.ready = udp_ready;
  tcp.ready = tcp_ready;
  loop_add(&udp, EPOLLIN);
  loop_add(&tcp, EPOLLIN);
  loop_on_tick(tick);
}
