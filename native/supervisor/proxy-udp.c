// UDP ports of the host led into the container. Each sender has a socket of its own towards the container, whose replies go back from the very
// address that was asked; a flow that is silent for a while is forgotten, the longest silent one first when there are too many.
// Counterpart: docker-proxy. Spec: ip(7) IP_PKTINFO, ipv6(7) IPV6_PKTINFO.
#include "net-loop.h"
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_FLOWS 1024
#define SILENCE_SECONDS 90
#define BUCKETS 256

// Which of our addresses was asked.
union local {
  struct in_pktinfo v4;
  struct in6_pktinfo v6;
};

struct listener {
  struct watch watch;
  const struct proxy_config *proxy;
};

struct flow {
  struct watch watch;
  struct listener *listener;
  struct sockaddr_storage peer;
  socklen_t peer_length;
  union local local;
  time_t last;
  struct flow *next_in_bucket;
};

static struct flow *buckets[BUCKETS];
static size_t flow_count;
static bool ticking;
static uint8_t datagram[65536];

static unsigned bucket_of(const struct sockaddr_storage *peer, socklen_t length) {
  const uint8_t *bytes = (const uint8_t *)peer;
  unsigned hash = 2166136261u;
  for (socklen_t at = 0; at < length; at++)
    hash = (hash ^ bytes[at]) * 16777619u;
  return hash % BUCKETS;
}

static void release_flow(struct watch *watch) { free(watch); }

static void drop_flow(struct flow *flow) {
  for (struct flow **at = &buckets[bucket_of(&flow->peer, flow->peer_length)]; *at != NULL; at = &(*at)->next_in_bucket) {
    if (*at != flow)
      continue;
    *at = flow->next_in_bucket;
    flow_count--;
    break;
  }
  loop_close(&flow->watch);
}

static void drop_longest_silent(void) {
  struct flow *oldest = NULL;
  for (size_t at = 0; at < BUCKETS; at++) {
    for (struct flow *flow = buckets[at]; flow != NULL; flow = flow->next_in_bucket) {
      if (oldest == NULL || flow->last < oldest->last)
        oldest = flow;
    }
  }
  if (oldest != NULL)
    drop_flow(oldest);
}

static void reply(struct flow *flow, size_t length) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  struct iovec vector = {.iov_base = datagram, .iov_len = length};
  struct msghdr message = {
      .msg_name = &flow->peer, .msg_namelen = flow->peer_length, .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes};
  bool v6 = flow->peer.ss_family == AF_INET6;
  size_t size = v6 ? sizeof flow->local.v6 : sizeof flow->local.v4;
  message.msg_controllen = CMSG_SPACE(size);
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  head->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
  head->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(head), &flow->local, size);
  sendmsg(flow->listener->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void flow_ready(struct watch *watch, uint32_t events) {
  struct flow *flow = (struct flow *)watch;
  (void)events;
  for (int burst = 0; burst < 32; burst++) {
    // Nobody listening there (ECONNREFUSED) is no end: it may start to.
    ssize_t length = recv(watch->fd, datagram, sizeof datagram, MSG_DONTWAIT);
    if (length < 0)
      return;
    flow->last = loop_now();
    reply(flow, (size_t)length);
  }
}

static struct flow *open_flow(struct listener *listener, const struct sockaddr_storage *peer, socklen_t length) {
  if (flow_count >= MAX_FLOWS)
    drop_longest_silent();
  const struct endpoint *target = &listener->proxy->target;
  int fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct flow *flow = fd < 0 ? NULL : calloc(1, sizeof *flow);
  if (flow != NULL) {
    flow->watch = (struct watch){.fd = fd, .ready = flow_ready, .release = release_flow};
    flow->listener = listener;
    memcpy(&flow->peer, peer, length);
    flow->peer_length = length;
    if (connect(fd, (const struct sockaddr *)&target->address, target->length) == 0 && loop_add(&flow->watch, EPOLLIN) == 0) {
      struct flow **bucket = &buckets[bucket_of(&flow->peer, length)];
      flow->next_in_bucket = *bucket;
      *bucket = flow;
      flow_count++;
      return flow;
    }
  }
  free(flow);
  if (fd >= 0)
    close(fd);
  return NULL;
}

static struct flow *find_flow(const struct listener *listener, const struct sockaddr_storage *peer, socklen_t length) {
  for (struct flow *flow = buckets[bucket_of(peer, length)]; flow != NULL; flow = flow->next_in_bucket) {
    if (flow->listener == listener && flow->peer_length == length && memcmp(&flow->peer, peer, length) == 0)
      return flow;
  }
  return NULL;
}

static bool read_local(struct msghdr *message, union local *local) {
  for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
    if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
      memcpy(&local->v4, CMSG_DATA(head), sizeof local->v4);
      // Replies leave from the address that was asked, over whichever device leads to the peer.
      local->v4.ipi_spec_dst = local->v4.ipi_addr;
      local->v4.ipi_ifindex = 0;
      return true;
    }
    if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
      memcpy(&local->v6, CMSG_DATA(head), sizeof local->v6);
      if (!IN6_IS_ADDR_LINKLOCAL(&local->v6.ipi6_addr))
        local->v6.ipi6_ifindex = 0;
      return true;
    }
  }
  return false;
}

static void listener_ready(struct watch *watch, uint32_t events) {
  struct listener *listener = (struct listener *)watch;
  (void)events;
  for (int burst = 0; burst < 64; burst++) {
    struct sockaddr_storage peer = {0};
    union {
      char bytes[256];
      struct cmsghdr align;
    } control;
    struct iovec vector = {.iov_base = datagram, .iov_len = sizeof datagram};
    struct msghdr message = {.msg_name = &peer,
                             .msg_namelen = sizeof peer,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t length = recvmsg(watch->fd, &message, MSG_DONTWAIT);
    if (length < 0)
      return;
    union local local;
    memset(&local, 0, sizeof local);
    if (!read_local(&message, &local))
      continue;
    struct flow *flow = find_flow(listener, &peer, message.msg_namelen);
    if (flow == NULL)
      flow = open_flow(listener, &peer, message.msg_namelen);
    if (flow == NULL)
      continue;
    flow->local = local;
    flow->last = loop_now();
    if (send(flow->watch.fd, datagram, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
      // That error was the last datagram's.
      (void)!send(flow->watch.fd, datagram, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

static void tick(time_t now) {
  for (size_t at = 0; at < BUCKETS; at++) {
    for (struct flow *flow = buckets[at], *next; flow != NULL; flow = next) {
      next = flow->next_in_bucket;
      if (now > flow->last + SILENCE_SECONDS)
        drop_flow(flow);
    }
  }
}

int proxy_listen_udp(const struct proxy_config *proxy) {
  int yes = 1;
  bool v6 = proxy->listen.address.ss_family == AF_INET6;
  int fd = socket(proxy->listen.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct listener *listener = fd < 0 ? NULL : calloc(1, sizeof *listener);
  if (listener == NULL)
    return -1;
  if (v6)
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &yes, sizeof yes);
  listener->watch = (struct watch){.fd = fd, .ready = listener_ready};
  listener->proxy = proxy;
  if (bind(fd, (const struct sockaddr *)&proxy->listen.address, proxy->listen.length) != 0 || loop_add(&listener->watch, EPOLLIN) != 0)
    return -1;
  if (!ticking)
    loop_on_tick(tick);
  ticking = true;
  return 0;
}
