// The helper's configuration: lines of words, written by src/running/networks/plan.ts.
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

bool net_endpoint(const char *ip, unsigned port, struct endpoint *endpoint) {
  memset(endpoint, 0, sizeof *endpoint);
  struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint->address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&endpoint->address;
  if (port > 65535)
    return false;
  if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    endpoint->length = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    endpoint->length = sizeof *v6;
    return true;
  }
  return false;
}

static bool read_proxy(const char *line, struct net_config *config) {
  char protocol[8], host[64], address[64];
  unsigned host_port, port;
  if (sscanf(line, "proxy %7s %63s %u %63s %u", protocol, host, &host_port, address, &port) != 5)
    return false;
  struct proxy_config *proxy = calloc(1, sizeof *proxy);
  if (proxy == NULL)
    return false;
  proxy->udp = strcmp(protocol, "udp") == 0;
  snprintf(proxy->shown, sizeof proxy->shown, strchr(host, ':') == NULL ? "%.45s:%u" : "[%.45s]:%u", host, host_port);
  if (!net_endpoint(host, host_port, &proxy->listen) || !net_endpoint(address, port, &proxy->target)) {
    free(proxy);
    return false;
  }
  proxy->next = config->proxies;
  config->proxies = proxy;
  return true;
}

static bool read_wire(const char *line, struct net_config *config) {
  struct wire_config *wire = calloc(1, sizeof *wire);
  char address[32];
  unsigned bits;
  uint8_t *mac = wire == NULL ? NULL : wire->mac;
  if (wire != NULL &&
      sscanf(line, "wire %15s %15s %15s %2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx %31s %u", wire->host, wire->inside, wire->bridge, &mac[0], &mac[1],
             &mac[2], &mac[3], &mac[4], &mac[5], address, &bits) == 11 &&
      inet_pton(AF_INET, address, &wire->address) == 1 && bits <= 32) {
    wire->bits = (uint8_t)bits;
    wire->next = config->wires;
    config->wires = wire;
    return true;
  }
  free(wire);
  return false;
}

static bool read_line(const char *line, struct net_config *config) {
  char word[4096];
  unsigned port = 53;
  if (sscanf(line, "networks %4095[^\n]", word) == 1) {
    config->networks_fd = open(word, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return config->networks_fd >= 0;
  }
  if (sscanf(line, "container %64s", config->container) == 1)
    return true;
  if (sscanf(line, "name %255s", config->name) == 1)
    return true;
  if (sscanf(line, "dns-port %u", &port) == 1) {
    config->dns_port = (uint16_t)port;
    return port > 0 && port < 65536;
  }
  if (sscanf(line, "upstream %63s %u", word, &port) >= 1) {
    config->has_servers = true;
    if (config->server_count == MAX_SERVERS)
      return true;
    return net_endpoint(word, port, &config->servers[config->server_count++]);
  }
  if (sscanf(line, "gateway %63s", word) == 1)
    return inet_pton(AF_INET, word, &config->gateway) == 1;
  return strncmp(line, "wire ", 5) == 0 ? read_wire(line, config) : read_proxy(line, config);
}

int net_read_config(const char *path, struct net_config *config, char *error, size_t error_size) {
  memset(config, 0, sizeof *config);
  config->networks_fd = -1;
  config->dns_port = 53;
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    snprintf(error, error_size, "%s: %s", path, strerror(errno));
    return -1;
  }
  char *line = NULL;
  size_t size = 0;
  int result = 0;
  while (result == 0 && getline(&line, &size, file) > 0) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] != '\0' && !read_line(line, config)) {
      snprintf(error, error_size, "%s: not understood: %.200s", path, line);
      result = -1;
    }
  }
  free(line);
  fclose(file);
  if (result == 0 && (config->networks_fd < 0 || config->container[0] == '\0')) {
    snprintf(error, error_size, "%s: no networks or no container", path);
    result = -1;
  }
  return result;
}
