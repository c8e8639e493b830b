// See net-wire.h. Speaks to the kernel directly: starting ip(8) twice would take longer than all the rest of a network's start.
// Spec: rtnetlink(7), linux/if_link.h.
#include "net-wire.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
  struct nlmsghdr head;
  uint8_t body[1024];
};

// Begins a message whose fixed part is `size` bytes; returns where that is.
static void *begin(struct request *request, uint16_t type, uint16_t flags, size_t size) {
  memset(request, 0, sizeof *request);
  request->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
  request->head.nlmsg_type = type;
  request->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
  return NLMSG_DATA(&request->head);
}

// Adds an attribute; all that we send fits by far.
static struct rtattr *add(struct request *request, uint16_t type, const void *data, size_t size) {
  struct rtattr *attribute = (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->head.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (uint16_t)RTA_LENGTH(size);
  if (size > 0)
    memcpy(RTA_DATA(attribute), data, size);
  request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + (uint32_t)RTA_ALIGN(attribute->rta_len);
  return attribute;
}

// An attribute that holds others, until it is ended.
static struct rtattr *nest(struct request *request, uint16_t type) { return add(request, type, NULL, 0); }

static void end_nest(struct request *request, struct rtattr *attribute) {
  attribute->rta_len = (uint16_t)((uint8_t *)request + NLMSG_ALIGN(request->head.nlmsg_len) - (uint8_t *)attribute);
}

// No address of its own making: there is no IPv6 on these networks.
static void add_no_ipv6(struct request *request) {
  uint8_t none = IN6_ADDR_GEN_MODE_NONE;
  struct rtattr *families = nest(request, IFLA_AF_SPEC);
  struct rtattr *ipv6 = nest(request, AF_INET6);
  add(request, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
  end_nest(request, ipv6);
  end_nest(request, families);
}

// Sends a message and waits for the kernel's word. Returns 0, or -1 with errno.
static int ask(struct request *request) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0)
    return -1;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  union {
    struct nlmsghdr head;
    uint8_t bytes[4096];
  } reply;
  int error = 0;
  ssize_t got = -1;
  if (sendto(fd, request, request->head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0)
    got = recv(fd, &reply, sizeof reply, 0);
  if (got < 0)
    error = errno;
  else if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || reply.head.nlmsg_type != NLMSG_ERROR)
    error = EPROTO;
  else
    error = -((struct nlmsgerr *)NLMSG_DATA(&reply.head))->error;
  close(fd);
  errno = error;
  return error == 0 ? 0 : -1;
}

static int fail(char *error, size_t size, const char *what, const char *device) {
  snprintf(error, size, "%s %s: %s", what, device, strerror(errno));
  return -1;
}

// The kernel takes a dead namespace's devices apart when it gets round to it. This name is this container's alone, and it is ours: what still has it
// is of the container's life before.
static int make_in_place_of_old(struct request *made, const char *name) {
  const int attempts = 500;
  for (int attempt = 0;; attempt++) {
    if (ask(made) == 0)
      return 0;
    if (errno != EEXIST || attempt == attempts)
      return -1;
    struct request request;
    begin(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    if (ask(&request) != 0 && errno != ENODEV)
      return -1;
    if (attempt > 0)
      usleep(10 * 1000);
  }
}

int wire_make(const struct wire_config *wire, int container_netns, char *error, size_t error_size) {
  struct request request;
  unsigned bridge = if_nametoindex(wire->bridge);
  if (bridge == 0)
    return fail(error, error_size, "the bridge of the network is gone:", wire->bridge);
  begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
  add(&request, IFLA_IFNAME, wire->host, strlen(wire->host) + 1);
  struct rtattr *info = nest(&request, IFLA_LINKINFO);
  add(&request, IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = nest(&request, IFLA_INFO_DATA);
  struct ifinfomsg peer_head = {0};
  struct rtattr *peer = add(&request, VETH_INFO_PEER, &peer_head, sizeof peer_head);
  add(&request, IFLA_IFNAME, wire->inside, strlen(wire->inside) + 1);
  add(&request, IFLA_ADDRESS, wire->mac, sizeof wire->mac);
  add(&request, IFLA_NET_NS_FD, &container_netns, sizeof container_netns);
  end_nest(&request, peer);
  end_nest(&request, data);
  end_nest(&request, info);
  if (make_in_place_of_old(&request, wire->host) != 0)
    return fail(error, error_size, "making the device", wire->host);
  struct ifinfomsg *link = begin(&request, RTM_SETLINK, 0, sizeof *link);
  link->ifi_index = (int)if_nametoindex(wire->host);
  link->ifi_flags = link->ifi_change = IFF_UP;
  add(&request, IFLA_MASTER, &bridge, sizeof bridge);
  add_no_ipv6(&request);
  if (ask(&request) != 0)
    return fail(error, error_size, "putting on its bridge the device", wire->host);
  return 0;
}

int wire_address(const struct wire_config *wire, char *error, size_t error_size) {
  struct request request;
  unsigned index = if_nametoindex(wire->inside);
  struct ifaddrmsg *address = begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *address);
  address->ifa_family = AF_INET;
  address->ifa_prefixlen = wire->bits;
  address->ifa_index = index;
  struct in_addr broadcast = {.s_addr = wire->address.s_addr | htonl(wire->bits == 0 ? ~0u : (1u << (32 - wire->bits)) - 1)};
  add(&request, IFA_LOCAL, &wire->address, sizeof wire->address);
  add(&request, IFA_ADDRESS, &wire->address, sizeof wire->address);
  add(&request, IFA_BROADCAST, &broadcast, sizeof broadcast);
  if (ask(&request) != 0)
    return fail(error, error_size, "giving its address to the device", wire->inside);
  struct ifinfomsg *link = begin(&request, RTM_SETLINK, 0, sizeof *link);
  link->ifi_index = (int)index;
  link->ifi_flags = link->ifi_change = IFF_UP;
  add_no_ipv6(&request);
  if (ask(&request) != 0)
    return fail(error, error_size, "switching on the device", wire->inside);
  return 0;
}

int wire_way_out(struct in_addr gateway, char *error, size_t error_size) {
  struct request request;
  struct rtmsg *route = begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
  route->rtm_family = AF_INET;
  route->rtm_table = RT_TABLE_MAIN;
  route->rtm_protocol = RTPROT_BOOT;
  route->rtm_scope = RT_SCOPE_UNIVERSE;
  route->rtm_type = RTN_UNICAST;
  add(&request, RTA_GATEWAY, &gateway, sizeof gateway);
  return ask(&request) == 0 ? 0 : fail(error, error_size, "setting the default route", "");
}
