// See net-flows.h. Spec: linux/netfilter/nfnetlink_conntrack.h. Counterpart: moby/libnetwork iptables/conntrack.go.
#include "net-flows.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define MAX_FLOWS 4096
#define MAX_TUPLE 128

// What tells one flow from all others, as the kernel sent it.
struct tuple {
  uint16_t length;
  uint8_t bytes[MAX_TUPLE];
};

static const struct nlattr *find(const uint8_t *at, size_t length, unsigned type) {
  while (length >= NLA_HDRLEN) {
    const struct nlattr *attribute = (const struct nlattr *)at;
    size_t size = NLA_ALIGN(attribute->nla_len);
    if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > length)
      return NULL;
    if ((attribute->nla_type & NLA_TYPE_MASK) == type)
      return attribute;
    if (size > length)
      return NULL;
    at += size;
    length -= size;
  }
  return NULL;
}

static const struct nlattr *find_in(const struct nlattr *parent, unsigned type) {
  return parent == NULL ? NULL : find((const uint8_t *)parent + NLA_HDRLEN, parent->nla_len - NLA_HDRLEN, type);
}

static bool is_published(const struct net_config *config, uint16_t port) {
  for (const struct proxy_config *proxy = config->proxies; proxy != NULL; proxy = proxy->next) {
    if (proxy->udp && proxy->listen.address.ss_family == AF_INET && ((const struct sockaddr_in *)&proxy->listen.address)->sin_port == port)
      return true;
  }
  return false;
}

static bool is_wanted(const struct net_config *config, const struct nlattr *tuple) {
  const struct nlattr *proto = find_in(tuple, CTA_TUPLE_PROTO);
  const struct nlattr *number = find_in(proto, CTA_PROTO_NUM);
  const struct nlattr *port = find_in(proto, CTA_PROTO_DST_PORT);
  uint16_t value;
  if (number == NULL || number->nla_len < NLA_HDRLEN + 1 || port == NULL || port->nla_len < NLA_HDRLEN + 2)
    return false;
  memcpy(&value, (const uint8_t *)port + NLA_HDRLEN, 2);
  return *((const uint8_t *)number + NLA_HDRLEN) == IPPROTO_UDP && is_published(config, value);
}

static int ask(int fd, uint16_t type, uint16_t flags, const struct tuple *tuple) {
  struct {
    struct nlmsghdr head;
    struct nfgenmsg family;
    uint8_t tuple[MAX_TUPLE];
  } request = {.head = {.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
               .family = {.nfgen_family = AF_INET}};
  request.head.nlmsg_len = NLMSG_LENGTH(sizeof request.family);
  if (tuple != NULL) {
    memcpy(request.tuple, tuple->bytes, tuple->length);
    request.head.nlmsg_len += NLA_ALIGN(tuple->length);
  }
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  return sendto(fd, &request, request.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0 ? -1 : 0;
}

// Collects the flows of one answer of the kernel. False once that was the last, or could not be understood.
static bool collect(const struct net_config *config, const uint8_t *bytes, size_t length, struct tuple *found, size_t *count) {
  for (const struct nlmsghdr *head = (const struct nlmsghdr *)bytes; NLMSG_OK(head, length); head = NLMSG_NEXT(head, length)) {
    if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
      return false;
    if (head->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
      continue;
    const uint8_t *attributes = (const uint8_t *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    size_t size = head->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
    const struct nlattr *tuple = find(attributes, size, CTA_TUPLE_ORIG);
    if (tuple == NULL || tuple->nla_len > MAX_TUPLE || *count == MAX_FLOWS || !is_wanted(config, tuple))
      continue;
    found[*count].length = tuple->nla_len;
    memcpy(found[*count].bytes, tuple, tuple->nla_len);
    (*count)++;
  }
  return true;
}

void flows_forget(const struct net_config *config) {
  static struct tuple found[MAX_FLOWS];
  static uint8_t bytes[65536] __attribute__((aligned(8)));
  bool any = false;
  for (const struct proxy_config *proxy = config->proxies; proxy != NULL; proxy = proxy->next)
    any = any || proxy->udp;
  int fd = any ? socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) : -1;
  if (fd < 0)
    return;
  struct timeval patience = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  size_t count = 0;
  if (ask(fd, IPCTNL_MSG_CT_GET, NLM_F_DUMP, NULL) == 0) {
    ssize_t got;
    do
      got = recv(fd, bytes, sizeof bytes, 0);
    while (got > 0 && collect(config, bytes, (size_t)got, found, &count));
  }
  for (size_t at = 0; at < count; at++) {
    if (ask(fd, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, &found[at]) != 0 || recv(fd, bytes, sizeof bytes, 0) < 0)
      break;
  }
  close(fd);
}
