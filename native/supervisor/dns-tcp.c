// Names over TCP: connections of the container, one question at a time each, and connections to the host's resolvers for what is not ours. Clients,
// bytes and time are bounded.
#include "dns-message.h"
#include "dns-server.h"
#include "net-loop.h"
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define CLIENT_IDLE 10
#define SERVER_SECONDS 4

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

static struct client *clients[MAX_CLIENTS];

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
  for (size_t servers = dns_server_count(); server < servers; server++) {
    const struct endpoint *to = dns_server_at(server);
    int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    one = fd < 0 ? NULL : calloc(1, sizeof *one);
    if (one != NULL && (one->in = malloc(2 + MAX_TCP)) != NULL &&
        (connect(fd, (const struct sockaddr *)&to->address, to->length) == 0 || errno == EINPROGRESS)) {
      one->watch = (struct watch){.fd = fd, .ready = upstream_tcp_ready, .release = forget_upstream};
      one->client = client;
      one->server = server;
      one->question_end = question_end;
      one->deadline = loop_now() + SERVER_SECONDS;
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
    size_t own = parsed > 0 ? dns_refuse(out, client->in + 2, (enum dns_code)parsed) : dns_answer_own(client->in + 2, &query, out, sizeof out);
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

void dns_tcp_ready(struct watch *watch, uint32_t events) {
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

void dns_tcp_tick(time_t now) {
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
