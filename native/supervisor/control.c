// The control socket. Frames both ways: type, three zeros, length in big-endian, content of at most 64 KiB. Only root can connect.
// Nothing a client does or leaves undone holds the container up, but for clients that asked for whole output: those are waited for,
// as a pipe would. Protocol: src/running/containers/control.ts.

#include "supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CLIENTS 128
#define LOSSLESS_QUEUE (256 * 1024)
#define MAX_QUEUE (4 * 1024 * 1024)

enum { WANTS_STDIN = 1, WANTS_STDOUT = 2, WANTS_STDERR = 4, LOSSLESS = 8 };

static struct client {
  int fd;
  unsigned wants;
  bool subscribed, holds_stdin, lossy_gone;
  unsigned char *in;
  size_t in_size;
  /** Bytes of a frame of input that the container has not taken yet. */
  size_t input_done;
  unsigned char *out;
  size_t out_start, out_size, out_room;
} clients[MAX_CLIENTS];
static size_t count;
static int listener = -1;

void control_open(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control"};
  unlink("control");
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t mask = umask(0177);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0)
    fail("control socket: %s", strerror(errno));
  umask(mask);
}

static void drop(struct client *client) {
  if (client->holds_stdin) life_input_end();
  close(client->fd);
  free(client->in);
  free(client->out);
  *client = clients[--count];
}

static void send_some(struct client *client) {
  while (client->out_size > 0) {
    ssize_t now = send(client->fd, client->out + client->out_start, client->out_size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) {
      if (errno != EAGAIN) client->lossy_gone = true;
      return;
    }
    client->out_start += (size_t)now;
    client->out_size -= (size_t)now;
  }
  client->out_start = 0;
  if (client->out_room > 65536) {
    free(client->out);
    client->out = NULL;
    client->out_room = 0;
  }
}

static void queue(struct client *client, char type, const void *data, size_t size) {
  if (client->lossy_gone) return;
  if (client->out_size + size + 8 > MAX_QUEUE) {
    client->lossy_gone = true;
    return;
  }
  size_t end = client->out_start + client->out_size;
  if (end + size + 8 > client->out_room) {
    if (client->out_size > 0) memmove(client->out, client->out + client->out_start, client->out_size);
    client->out_start = 0;
    end = client->out_size;
    if (end + size + 8 > client->out_room) {
      client->out_room = (end + size + 8 + 4095) / 4096 * 4096;
      client->out = must(realloc(client->out, client->out_room));
    }
  }
  unsigned char head[8] = {(unsigned char)type, 0, 0, 0, (unsigned char)(size >> 24), (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size};
  memcpy(client->out + end, head, 8);
  if (size > 0) memcpy(client->out + end + 8, data, size);
  client->out_size += size + 8;
  send_some(client);
}

static void sweep_gone(void) {
  for (size_t at = count; at-- > 0;)
    if (clients[at].lossy_gone) drop(&clients[at]);
}

void control_tell(char type, const void *data, size_t size) {
  for (size_t at = 0; at < count; at++)
    if (clients[at].subscribed || (type != 's' && clients[at].wants != 0)) queue(&clients[at], type, data, size);
}

void control_output(int stream, const unsigned char *data, size_t size) {
  unsigned wanted = stream == 1 ? WANTS_STDOUT : WANTS_STDERR;
  for (size_t at = 0; at < count; at++)
    if ((clients[at].wants & wanted) != 0) queue(&clients[at], (char)stream, data, size);
}

bool control_is_full(void) {
  for (size_t at = 0; at < count; at++)
    if ((clients[at].wants & LOSSLESS) != 0 && clients[at].out_size > LOSSLESS_QUEUE) return true;
  return false;
}

void control_flush(void) {
  int64_t end = monotonic_ns() + 5 * SECOND;
  for (size_t at = 0; at < count; at++) {
    while (clients[at].out_size > 0 && !clients[at].lossy_gone) {
      // A reader that is slow but reads gets everything; one that stands still does not keep us.
      struct pollfd wait = {.fd = clients[at].fd, .events = POLLOUT};
      bool lossless = (clients[at].wants & LOSSLESS) != 0;
      int64_t left = (end - monotonic_ns()) / 1000000;
      if (!lossless && left <= 0) break;
      if (poll(&wait, 1, lossless ? -1 : (int)left) < 0 && errno != EINTR) break;
      if ((wait.revents & (POLLERR | POLLHUP)) != 0) break;
      send_some(&clients[at]);
    }
  }
}

static void answer(struct client *client, bool good, const char *error) {
  queue(client, good ? 'o' : 'e', error, good ? 0 : strlen(error));
}

// False when the frame can't be taken yet.
static bool frame(struct client *client, char type, const unsigned char *data, size_t size) {
  char text[4200] = "", error[1024] = "";
  if (size < sizeof text && type != 'I') {
    memcpy(text, data, size);
    text[size] = 0;
  }
  switch (type) {
    case 'A':
      client->wants = size > 0 ? data[0] & 15u : 0;
      client->holds_stdin = (client->wants & WANTS_STDIN) != 0;
      answer(client, true, "");
      return true;
    case 'G': life_go(); return true;
    case 'N': {
      client->subscribed = true;
      size_t length;
      const char *json = state_json(&length);
      queue(client, 's', json, length);
      return true;
    }
    case 'I':
      if ((client->wants & WANTS_STDIN) == 0) return true;
      client->input_done += life_input(data + client->input_done, size - client->input_done);
      if (client->input_done < size) return false;
      client->input_done = 0;
      return true;
    case 'E':
      if ((client->wants & WANTS_STDIN) != 0) life_input_end();
      client->holds_stdin = false;
      return true;
    case 'D':
      // Detaches: standard input stays open for the next.
      client->holds_stdin = false;
      client->wants = 0;
      return true;
    case 'R':
      if (size == 4) life_resize(data[0] * 256u + data[1], data[2] * 256u + data[3]);
      return true;
    case 'K': {
      int signal = atoi(text);
      if (signal < 1 || signal > 64) answer(client, false, "invalid signal");
      else if (state.status != RUNNING && state.status != PAUSED && state.status != RESTARTING) answer(client, false, "is not running");
      else {
        life_kill(signal);
        answer(client, true, "");
      }
      return true;
    }
    case 'S': {
      int signal = 0;
      long long timeout = -2;
      int keep = 0;
      if (sscanf(text, "%d %lld %d", &signal, &timeout, &keep) < 1 || signal < 0 || signal > 64) answer(client, false, "invalid signal");
      else {
        life_stop(signal, timeout, keep == 1);
        answer(client, true, "");
      }
      return true;
    }
    case 'P':
    case 'U': answer(client, life_pause(type == 'P', error, sizeof error), error); return true;
    default: client->lossy_gone = true; return true;
  }
}

static bool take_frames(struct client *client) {
  size_t at = 0;
  bool good = true;
  while (client->in_size - at >= 8) {
    const unsigned char *head = client->in + at;
    size_t size = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
    if (size > MAX_FRAME || head[1] != 0 || head[2] != 0 || head[3] != 0) {
      good = false;
      break;
    }
    if (client->in_size - at - 8 < size) break;
    if (!frame(client, (char)head[0], head + 8, size)) break;
    at += 8 + size;
  }
  if (at > 0) {
    client->in_size -= at;
    memmove(client->in, client->in + at, client->in_size);
  }
  return good;
}

static bool read_some(struct client *client) {
  if (client->in == NULL) client->in = must(malloc(MAX_FRAME + 8));
  size_t room = MAX_FRAME + 8 - client->in_size;
  if (room > 0) {
    ssize_t now = recv(client->fd, client->in + client->in_size, room, MSG_DONTWAIT);
    if (now == 0) return false;
    if (now < 0) return errno == EAGAIN || errno == EINTR;
    client->in_size += (size_t)now;
  }
  bool good = take_frames(client);
  if (client->in_size == 0) {
    free(client->in);
    client->in = NULL;
  }
  return good;
}

size_t control_poll(struct pollfd *fds, size_t room) {
  size_t used = 0;
  sweep_gone();
  if (room == 0) return 0;
  fds[used++] = (struct pollfd){.fd = count < MAX_CLIENTS ? listener : -1, .events = POLLIN};
  for (size_t at = 0; at < count && used < room; at++) {
    // A frame of input that waits for the container is not to be read past.
    bool stuck = clients[at].in_size >= 8 && clients[at].in[0] == 'I' && clients[at].in_size == MAX_FRAME + 8;
    bool waits = clients[at].input_done > 0 || stuck;
    short events = (short)((waits ? 0 : POLLIN) | (clients[at].out_size > 0 ? POLLOUT : 0));
    fds[used++] = (struct pollfd){.fd = clients[at].fd, .events = events};
  }
  return used;
}

void control_handle(const struct pollfd *fds, size_t used) {
  // Backwards: a dropped client's place is taken by the last.
  for (size_t at = used; at-- > 1;) {
    struct client *client = &clients[at - 1];
    if ((fds[at].revents & POLLOUT) != 0) send_some(client);
    bool good = true;
    if ((fds[at].revents & POLLIN) != 0) good = read_some(client);
    else if ((fds[at].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) good = false;
    else if (client->in_size > 0 && life_wants_input()) good = take_frames(client);
    if (!good) drop(client);
  }
  if (used > 0 && (fds[0].revents & POLLIN) != 0 && count < MAX_CLIENTS) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) clients[count++] = (struct client){.fd = fd};
  }
}
