// TCP ports of the host led into the container: accept, connect, copy both ways with half-closed ends kept. A slow side stops the other's
// reading, so that each connection holds at most two buffers.
// Counterpart: docker-proxy.
#include "net-loop.h"
#include "net.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER 32768
#define MAX_LINKS 8192

struct link;

// One end; `data` is what came from it and goes to the other.
struct end {
  struct watch watch;
  struct link *link;
  struct end *other;
  bool connecting;
  // It sends no more; it takes no more.
  bool read_done, write_done;
  size_t start, length;
  uint8_t *data;
};

struct link {
  struct end client, server;
  int open_ends;
};

struct listener {
  struct watch watch;
  const struct proxy_config *proxy;
  bool paused;
  struct listener *next;
};

static struct listener *listeners;
static unsigned link_count;

static void release_end(struct watch *watch) {
  struct end *end = (struct end *)watch;
  struct link *link = end->link;
  free(end->data);
  end->data = NULL;
  if (--link->open_ends == 0) {
    free(link);
    link_count--;
  }
}

static void drop(struct link *link) {
  loop_close(&link->client.watch);
  loop_close(&link->server.watch);
}

static void settle(struct end *end) {
  uint32_t events = 0;
  if (end->connecting || end->other->length > 0)
    events |= EPOLLOUT;
  if (!end->connecting && !end->other->connecting && !end->read_done && end->length < BUFFER)
    events |= EPOLLIN;
  loop_change(&end->watch, events);
}

// Moves what `from` has sent to the other end. False when the connection is at its end.
static bool pump(struct end *from) {
  struct end *to = from->other;
  while (from->length > 0) {
    ssize_t sent = send(to->watch.fd, from->data + from->start, from->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
      return errno == EAGAIN || errno == EINTR;
    from->start += (size_t)sent;
    from->length -= (size_t)sent;
  }
  from->start = 0;
  // Who is silent costs no buffer.
  free(from->data);
  from->data = NULL;
  if (from->read_done && !to->write_done) {
    to->write_done = true;
    shutdown(to->watch.fd, SHUT_WR);
  }
  return !(from->read_done && to->read_done && to->length == 0);
}

static bool fill(struct end *end) {
  if (end->data == NULL && (end->data = malloc(BUFFER)) == NULL)
    return false;
  size_t tail = end->start + end->length;
  if (tail == BUFFER)
    return true;
  ssize_t got = recv(end->watch.fd, end->data + tail, BUFFER - tail, MSG_DONTWAIT);
  if (got < 0)
    return errno == EAGAIN || errno == EINTR;
  if (got == 0)
    end->read_done = true;
  end->length += (size_t)got;
  return true;
}

static void end_ready(struct watch *watch, uint32_t events) {
  struct end *end = (struct end *)watch;
  struct link *link = end->link;
  if (end->connecting) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0 || (events & EPOLLHUP) != 0) {
      drop(link);
      return;
    }
    if ((events & EPOLLOUT) == 0)
      return;
    end->connecting = false;
  }
  bool going = true;
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0 && !end->read_done)
    going = fill(end);
  else if ((events & EPOLLERR) != 0)
    going = false;
  // Gone for good with nothing left to read: what the other still sends has no way to go.
  if ((events & EPOLLHUP) != 0 && end->read_done && end->length == 0 && end->write_done)
    going = false;
  if (!going || !pump(end) || !pump(end->other)) {
    drop(link);
    return;
  }
  settle(&link->client);
  settle(&link->server);
}

static bool begin(struct end *end, struct link *link, struct end *other, int fd, uint32_t events) {
  int yes = 1;
  *end = (struct end){.watch = {.fd = fd, .ready = end_ready, .release = release_end}, .link = link, .other = other};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  return loop_add(&end->watch, events) == 0;
}

static void open_link(int client, const struct endpoint *target) {
  int server = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct link *link = server < 0 ? NULL : calloc(1, sizeof *link);
  if (link == NULL || (connect(server, (const struct sockaddr *)&target->address, target->length) != 0 && errno != EINPROGRESS)) {
    free(link);
    if (server >= 0)
      close(server);
    close(client);
    return;
  }
  link->open_ends = 2;
  link_count++;
  bool client_added = begin(&link->client, link, &link->server, client, 0);
  bool server_added = begin(&link->server, link, &link->client, server, EPOLLOUT);
  link->server.connecting = true;
  if (!client_added || !server_added)
    drop(link);
}

// Until the next tick: the queue of the kernel holds who waits.
static void pause_listener(struct listener *listener) {
  listener->paused = true;
  loop_change(&listener->watch, 0);
}

static void listener_ready(struct watch *watch, uint32_t events) {
  struct listener *listener = (struct listener *)watch;
  (void)events;
  for (int burst = 0; burst < 32; burst++) {
    if (link_count >= MAX_LINKS) {
      pause_listener(listener);
      return;
    }
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        pause_listener(listener);
      return;
    }
    open_link(fd, &listener->proxy->target);
  }
}

static void tick(time_t now) {
  (void)now;
  for (struct listener *each = listeners; each != NULL; each = each->next) {
    if (each->paused) {
      each->paused = false;
      loop_change(&each->watch, EPOLLIN);
    }
  }
}

int proxy_listen_tcp(const struct proxy_config *proxy) {
  int yes = 1;
  int fd = socket(proxy->listen.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct listener *listener = fd < 0 ? NULL : calloc(1, sizeof *listener);
  if (listener == NULL)
    return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (proxy->listen.address.ss_family == AF_INET6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  listener->watch = (struct watch){.fd = fd, .ready = listener_ready};
  listener->proxy = proxy;
  if (bind(fd, (const struct sockaddr *)&proxy->listen.address, proxy->listen.length) != 0 || listen(fd, SOMAXCONN) != 0 ||
      loop_add(&listener->watch, EPOLLIN) != 0)
    return -1;
  if (listeners == NULL)
    loop_on_tick(tick);
  listener->next = listeners;
  listeners = listener;
  return 0;
}
