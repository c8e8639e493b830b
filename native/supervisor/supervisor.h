// The parts of the supervisor and what they know of each other. One process, one thread, one container; everything here lives as long
// as the process does. Paths are relative to the container's folder, which is the working directory.

#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_FRAME 65536
#define SECOND 1000000000LL

// ---- start-file.c: what TypeScript asks for

struct list {
  char **items;
  size_t count;
};

struct start {
  const char *id, *name, *image;
  struct list runtime;
  struct list lower, overlay_options;
  const char *upper, *work;
  bool tty, stdin_open, stdin_once, own_pids, restore_cgroups, log_enabled, auto_remove, health;
  const char *netns, *netns_path;
  struct list host_up, inside_up, host_down, helpers, members;
  int64_t log_size, log_files;
  const char *restart;
  int64_t restart_max, stop_signal, stop_timeout;
  int64_t health_interval, health_timeout, health_start_period, health_start_interval, health_retries;
  const char *cgroup, *events, *drop_mounts;
  struct list remove;
};

/** Reads the file `start`: records `key=value`, each ended by NUL. Ends the process when it is not one. */
void start_read(struct start *start);
/** Takes `text` apart at unit separators (0x1f); NULL-ended, in memory of its own. */
char **split_words(const char *text);

// ---- util.c

/** Text for people and the state file; never longer than `size`, always ended. */
void format(char *into, size_t size, const char *text, ...) __attribute__((format(printf, 3, 4)));
int64_t monotonic_ns(void);
/** RFC 3339 with nanoseconds; 36 bytes are enough. */
void time_text(char *into, size_t size);
bool write_all(int fd, const void *data, size_t size);
/** Reads a small file of text; ended, empty when there is none. */
void read_small(int dir, const char *path, char *into, size_t size);
/** `into` gets `data` as the inside of a JSON string, whole characters only; returns its length. Bytes that are no UTF-8 become U+FFFD. */
size_t json_escape(char *into, size_t room, const unsigned char *data, size_t size);
/** Removes a tree without following links or leaving it. */
void remove_tree(int dir, const char *path);
_Noreturn void fail(const char *text, ...) __attribute__((format(printf, 1, 2)));
void *must(void *memory);

// ---- processes.c

struct spawn {
  char *const *argv;
  int in, out, err;
  /** Network namespace to enter first, or -1. */
  int netns;
  /** Becomes descriptor 3, or -1. */
  int extra;
  /**
   * Holds our lock as well: when we are killed, whoever takes the lock next must not clear away what a runtime still makes.
   * The kernel gives our files back before it ends the rest of our namespace.
   */
  bool locked;
};

/** The container's lock. */
extern int lock_fd;

/** Starts a program with usual signals; -1 in fds is /dev/null. Returns its pid or -1. */
pid_t spawn_program(const struct spawn *spawn);
/** Runs to the end; false with what it said on stderr. */
bool run_program(char *const *argv, int netns, char *error, size_t error_size);

// ---- namespaces.c

/** Mounts proc, the root and a tmpfs for the runtime's state in this process's own mount namespace. */
void mount_root(const struct start *start);
/** Makes or joins the container's network namespace, at the file `netns`. Returns a descriptor of it, -1 for the host's. */
int make_network(const struct start *start, int joined);
void unmount_root(void);

// ---- network.c: carries out a network plan; knows no network

void network_up(const struct start *start, int netns);
void network_down(const struct start *start);
bool lock_member(const char *path);

// ---- state.c

enum status { CREATED, RUNNING, PAUSED, RESTARTING, EXITED };

struct probe {
  char start[40], end[40];
  int exit_code;
  char output[4097];
};

struct state {
  enum status status;
  int exit_code;
  bool oom_killed;
  /** As this namespace and as the machine numbers them. */
  pid_t pid, machine_pid, machine_self;
  char started[40], finished[40];
  int restart_count;
  char error[2048];
  /** 0 none, 1 starting, 2 healthy, 3 unhealthy. */
  int health;
  int failing_streak;
  struct probe *probes;
  int probe_count;
};

extern struct state state;

/** Where pids of the machine can be read, and our own there. Before any namespace is made. */
void state_open(void);
void state_self(void);
/** Number of `pid` as the machine has it. */
pid_t machine_pid(pid_t pid);
/** Writes the file `state`, and tells clients. */
void state_save(void);
const char *state_json(size_t *size);
void event_write(const struct start *start, const char *action, const char *extra);

// ---- log.c

void log_open(const struct start *start);
/** Adds output of a stream (1 or 2); lines are entries. */
void log_add(int stream, const unsigned char *data, size_t size);
/** Ends lines that lack their newline. */
void log_end(void);

// ---- control.c: clients

void control_open(void);
struct pollfd;
size_t control_poll(struct pollfd *fds, size_t room);
void control_handle(const struct pollfd *fds, size_t count);
void control_output(int stream, const unsigned char *data, size_t size);
void control_tell(char type, const void *data, size_t size);
/** Whether a client that must not lose anything has enough to do. */
bool control_is_full(void);
/** Sends what is left, for a bounded time. */
void control_flush(void);

// ---- life.c: the container's life; called by control.c for what clients ask

void life_go(void);
void life_kill(int signal);
/** `keep`: although it is to be removed at its end, it is not: somebody starts it again. */
void life_stop(int signal, int64_t timeout_s, bool keep);
bool life_pause(bool pause, char *error, size_t size);
/** Takes as much as there is room for; returns how much. */
size_t life_input(const unsigned char *data, size_t size);
void life_input_end(void);
void life_resize(unsigned rows, unsigned columns);
bool life_wants_input(void);
_Noreturn void life_run(struct start *start, int ready);

// ---- runtime.c

struct streams {
  /** Our ends; -1 where there is none. A terminal is `out`, and `in` a copy of it. */
  int in, out, err;
};

/**
 * Has the runtime start the container. Until it has ended, its own complaints may be in the container's stderr, never in its stdout;
 * a terminal comes by itself, at the console's descriptor.
 */
bool runtime_begin(const struct start *start, struct streams *streams, char *error, size_t size);
/** -1 while none is waited for. */
int runtime_console_fd(void);
/** Takes the terminal in if it has come. */
void runtime_console(struct streams *streams);
bool runtime_ended(int *status);
/** What became of it: 0 and the container's first process, or 125, 126, 127 with the reason; then the streams are closed. */
int runtime_result(const struct start *start, int status, struct streams *streams, pid_t *pid, char *error, size_t size);
/** Removes what the runtime keeps: its state, control groups, processes that are left. */
void runtime_clean(const struct start *start);
/** Runs a command of the runtime on the container. */
bool runtime_command(const struct start *start, const char *verb, char *error, size_t size);
/** Whole path of a file of the runtime's state; in memory of its own. */
const char *in_runtime(const char *name);
char **runtime_argv(const struct start *start, const char *const *more);
bool cgroup_oom(const struct start *start);

// ---- reap.c

/** Takes in ended children; true when there was one. */
bool reap_all(void);
/** Whether a child has been taken in; its wait status, once. */
bool reap_status(pid_t pid, int *status);

// ---- health.c

void health_begin(const struct start *start);
void health_end(void);
/** When it next wants to be called, or INT64_MAX. */
int64_t health_due(void);
int health_fd(void);
void health_work(const struct start *start);

// ---- programs of their own

int init_main(int argc, char **argv);
int enter_main(int argc, char **argv);

#endif
