// Bundles the command and its worker into dist/, which is what `slipway` starts from: fewer files to open is most of start-up.
// koffi stays outside: it finds its native part beside itself.

import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown, type Plugin } from "rolldown";
import { lazyRequires } from "./lazy-requires.ts";
import { staticDescriptors } from "./static-descriptors.ts";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");
mkdirSync(out, { recursive: true });
// The native program beside the bundle is made apart, by scripts/native.ts.
for (const name of globSync("*.js", { cwd: out })) rmSync(join(out, name), { force: true });
// Apart, because workers start often and must not load what only the main thread needs.
for (const [name, entry] of Object.entries({
  slipway: "src/cli/main.ts",
  worker: "src/engine/worker.ts",
  sync: "src/service/session/remote-sync-worker.ts",
})) {
  const bundle = await rolldown({
    input: { [name]: join(root, entry) },
    platform: "node",
    external: ["koffi"],
    logLevel: "warn",
    plugins: [lazyMessages(), staticDescriptors()],
    // No module that workers use does anything when it is merely imported, nor does the library of messages, which says so.
    treeshake: { moduleSideEffects: (id) => name === "slipway" && !id.includes("/@bufbuild/") },
  });
  const { output } = await bundle.generate({
    format: "cjs",
    entryFileNames: "[name].js",
    chunkFileNames: `${name}-[hash].js`,
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  for (const file of output) {
    if (file.type !== "chunk") throw new Error(`the bundle of ${name} has more than code: ${file.fileName}`);
    writeFileSync(join(out, file.fileName), lazyRequires(file.code, file.fileName));
  }
}
// CommonJS, whatever the package around it is: importing a built-in module as ESM runs every getter of its exports, and `node:http` then
// loads undici; requiring it does not. That and the module loader were a third of the time to the first step.
writeFileSync(join(out, "package.json"), '{ "type": "commonjs" }\n');
writeFileSync(join(out, ".stamp"), "");

/**
 * Generated messages are made from their descriptors when they are loaded, a fifth of the way to a build's first step; most commands need two files of
 * twenty. In the bundle each file is loaded when its first message is asked for.
 */
function lazyMessages(): Plugin {
  return {
    name: "lazy-messages",
    load: (id) => {
      if (id !== join(root, "src/formats/proto/index.ts")) return null;
      const names = [...readFileSync(id, "utf8").matchAll(/^export \* as (\w+) from ("[^"]+");$/gm)];
      const lines = names.map(([, name, path]) => `export const ${name} = lazy(() => require(${path}));`);
      const lazy =
        "const lazy = (load) => { let made; return new Proxy({}, { get: (_, key) => (made ??= load())[key] }); };";
      return { code: [lazy, ...lines].join("\n"), moduleType: "js" };
    },
  };
}
