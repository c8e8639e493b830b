// Every verb, in the order that help lists them.

import { bake } from "./bake.ts";
import { build } from "./build.ts";
import { cache } from "./cache.ts";
import type { CommandDefinition } from "./command.ts";
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
import { rmi } from "./rmi.ts";
import { verifyRepro } from "./verify-repro.ts";
import { volume } from "./volume.ts";
import { bootstrap, rm, stop, use } from "./use.ts";
import { version } from "./version.ts";

export const commands: readonly CommandDefinition[] = [
  build,
  bake,
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
  create,
  use,
  ls,
  bootstrap,
  stop,
  rm,
  features,
  frontend,
  history,
  network,
  volume,
  doctor,
  version,
];
