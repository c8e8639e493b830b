// Bundles the command and its worker into dist/, which is what `slipway` starts from: fewer files to open is most of start-up.
// koffi stays outside: it finds its native part beside itself.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");
rmSync(out, { recursive: true, force: true });
const bundle = await rolldown({
  input: { slipway: join(root, "src/cli/main.ts"), worker: join(root, "src/engine/worker.ts") },
  platform: "node",
  external: ["koffi"],
  logLevel: "warn",
});
await bundle.write({
  dir: out,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "chunk-[hash].js",
  minify: false,
});
await bundle.close();
mkdirSync(out, { recursive: true });
writeFileSync(join(out, ".stamp"), "");
