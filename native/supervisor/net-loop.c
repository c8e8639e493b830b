// See net-loop.h. Level-triggered, so that a callback may leave work for the next round.
#include "net-loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_TICKS 4
#define ROUND 64

static int epoll_fd = -1;
static struct watch *closed_watches;
static void (*ticks[MAX_TICKS])(time_t now);
static int tick_count;
static time_t now_seconds;

int loop_open(void) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd < 0 ? -1 : 0;
}

int loop_add(struct watch *watch, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = watch};
  watch->events = events;
  watch->closed = false;
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch->fd, &event);
}

void loop_change(struct watch *watch, uint32_t events) {
  if (watch->closed || watch->events == events)
    return;
  struct epoll_event event = {.events = events, .data.ptr = watch};
  watch->events = events;
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_close(struct watch *watch) {
  if (watch->closed)
    return;
  watch->closed = true;
  close(watch->fd);
  watch->next_closed = closed_watches;
  closed_watches = watch;
}

void loop_on_tick(void (*tick)(time_t now)) {
  if (tick_count < MAX_TICKS)
    ticks[tick_count++] = tick;
}

time_t loop_now(void) { return now_seconds; }

static void read_clock(void) {
  struct timespec spec;
  clock_gettime(CLOCK_MONOTONIC, &spec);
  now_seconds = spec.tv_sec;
}

static void release_closed(void) {
  while (closed_watches != NULL) {
    struct watch *watch = closed_watches;
    closed_watches = watch->next_closed;
    if (watch->release != NULL)
      watch->release(watch);
  }
}

void loop_run(void) {
  struct epoll_event events[ROUND];
  read_clock();
  time_t last_tick = now_seconds;
  for (;;) {
    int count = epoll_wait(epoll_fd, events, ROUND, 1000);
    if (count < 0 && errno != EINTR) {
      perror("epoll_wait");
      exit(1);
    }
    read_clock();
    for (int at = 0; at < count; at++) {
      struct watch *watch = events[at].data.ptr;
      if (!watch->closed)
        watch->ready(watch, events[at].events);
    }
    if (now_seconds != last_tick) {
      last_tick = now_seconds;
      for (int at = 0; at < tick_count; at++)
        ticks[at](now_seconds);
    }
    release_closed();
  }
}
