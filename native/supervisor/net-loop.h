// The event loop that the network helper's parts share: one epoll, callbacks by descriptor, a tick each second.
// A watch may be closed from any callback, its own too: memory is given back only when no event can point to it any more.
#ifndef SLIPWAY_NET_LOOP_H
#define SLIPWAY_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct watch {
  int fd;
  // Called with EPOLL* bits; `watch` is still open then.
  void (*ready)(struct watch *watch, uint32_t events);
  // Gives back the memory that holds the watch; NULL leaves it.
  void (*release)(struct watch *watch);
  uint32_t events;
  bool closed;
  struct watch *next_closed;
};

// Sets the loop up. Returns -1 with errno.
int loop_open(void);
// Starts watching. Returns -1 with errno; the descriptor stays the caller's then.
int loop_add(struct watch *watch, uint32_t events);
// Changes what is waited for.
void loop_change(struct watch *watch, uint32_t events);
// Closes the descriptor; `release` follows after the current round of events.
void loop_close(struct watch *watch);
// Calls back about once a second. At most four.
void loop_on_tick(void (*tick)(time_t now));
// Seconds of a clock that never jumps, as of the last event.
time_t loop_now(void);
// Runs for ever.
void loop_run(void) __attribute__((noreturn));

#endif
