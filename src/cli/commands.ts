// Every verb, in the order that help lists them.

import { bake } from "./bake.ts";
import { build } from "./build.ts";
import { builder } from "./builder.ts";
import { cache } from "./cache.ts";
import type { CommandDefinition } from "./command.ts";
import { compose } from "./compose/index.ts";
import { daemon } from "./daemon.ts";
import { dialStdio } from "./dial-stdio.ts";
import { create } from "./create.ts";
import { doctor } from "./doctor.ts";
import { du } from "./du.ts";
import { features } from "./features.ts";
import { history } from "./history.ts";
import { frontend } from "./frontend.ts";
import { images } from "./images.ts";
import { imagetools } from "./imagetools.ts";
import { inspect } from "./inspect.ts";
import { ls } from "./ls.ts";
import { network } from "./network.ts";
import { prune } from "./prune.ts";
import { run } from "./run.ts";
import { rmi } from "./rmi.ts";
import { verifyRepro } from "./verify-repro.ts";
import { volume } from "./volume.ts";
import { container } from "./container.ts";
import { events, port, stats, top } from "./container-looks.ts";
import { cp } from "./cp.ts";
import { attach, exec, kill, pause, rename, restart, rm, start, stop, unpause, wait } from "./container-verbs.ts";
import { logs } from "./logs.ts";
import { ps } from "./ps.ts";
import { bootstrap, use } from "./use.ts";
import { version } from "./version.ts";

export const commands: readonly CommandDefinition[] = [
  build,
  bake,
  run,
  ps,
  logs,
  exec,
  attach,
  start,
  stop,
  restart,
  kill,
  pause,
  unpause,
  wait,
  rename,
  rm,
  cp,
  top,
  stats,
  port,
  events,
  container,
  compose,
  images,
  inspect,
  rmi,
  du,
  prune,
  cache,
  imagetools,
  verifyRepro,
  daemon,
  dialStdio,
  builder,
  create,
  use,
  ls,
  bootstrap,
  features,
  frontend,
  history,
  network,
  volume,
  doctor,
  version,
];
