// Bundles the command and its worker into dist/, which is what `slipway` starts from: fewer files to open is most of start-up.
// koffi stays outside: it finds its native part beside itself.

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown, type Plugin } from "rolldown";
import { bundleGroups } from "./bundle-groups.ts";
import { lazyRequires } from "./lazy-requires.ts";
import { staticDescriptors } from "./static-descriptors.ts";

const root = join(import.meta.dirname, "..");
const out = join(root, "dist");
const named = new Map<string, string>();
mkdirSync(out, { recursive: true });
// The native program beside the bundle is made apart, by scripts/native.ts.
for (const name of globSync("*.js", { cwd: out })) rmSync(join(out, name), { force: true });
// Compiled code is of files that are not there any more.
rmSync(join(out, "compile-cache"), { recursive: true, force: true });
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
    // Nobody imports the entries: what they export may be anything.
    preserveEntrySignatures: false,
    plugins: [lazyMessages(), ownWellKnownTypes(), staticDescriptors()],
    // No module that workers use does anything when it is merely imported, nor does the library of messages, which says so.
    treeshake: { moduleSideEffects: (id) => name === "slipway" && !id.includes("/@bufbuild/") },
  });
  const { output } = await bundle.generate({
    format: "cjs",
    codeSplitting: name === "slipway" ? { groups: bundleGroups(root) } : true,
    entryFileNames: "[name].js",
    chunkFileNames: `${name}-[hash].js`,
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  for (const file of output) {
    if (file.type !== "chunk") throw new Error(`the bundle of ${name} has more than code: ${file.fileName}`);
    writeFileSync(
      join(out, file.fileName),
      inAscii(lazyRequires(withoutImports(file.code, file.fileName), file.fileName)),
    );
    named.set(file.name, join(out, file.fileName));
  }
}
// CommonJS, whatever the package around it is: importing a built-in module as ESM runs every getter of its exports, and `node:http` then
// loads undici; requiring it does not. That and the module loader were a third of the time to the first step.
writeFileSync(join(out, "package.json"), '{ "type": "commonjs" }\n');
mustLoadAlone("build", ["seldom", "remote"]);
writeFileSync(join(out, ".stamp"), "");

/** @throws where loading a file loads one of `others`, which finds it half made: what they have of each other while they are loaded belongs to it. */
function mustLoadAlone(name: string, others: readonly string[]): void {
  const program = `require(${JSON.stringify(named.get(name))}); console.log(Object.keys(require.cache).join("\\n"))`;
  const { status, stdout } = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
  const loaded = stdout.trim().split("\n");
  const found = others.find((other) => loaded.includes(named.get(other) ?? ""));
  if (status === 0 && found === undefined) return;
  const why = found === undefined ? "it fails when it is loaded" : `it loads ${found}`;
  throw new Error(`scripts/bundle-groups.ts: ${name} can't be loaded without ${others.join(" or ")}: ${why}`);
}

/** What `vm.Script` runs can't import without a warning of Node's that this is an experiment. @throws where a file imports what is no built-in module. */
function withoutImports(code: string, file: string): string {
  const text = code.replace(/\bimport\(`(node:[\w/]+)`\)/g, 'Promise.resolve(require("$1"))');
  if (/\bimport\(["'`]/.test(text)) throw new Error(`${file} imports a module that is no built-in one`);
  return text;
}

/** Text of one byte a character is read, hashed and scanned at twice the speed; one letter beyond ASCII doubles a whole file. */
function inAscii(code: string): string {
  if (/String\.raw`[^`]*[^\0-\x7f]/.test(code)) throw new Error("an escape would show in a String.raw");
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

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

/** Google's own messages come from one file that loads all of them; in the bundle a module loads those that it names. */
function ownWellKnownTypes(): Plugin {
  const dir = dirname(fileURLToPath(import.meta.resolve("@bufbuild/protobuf/wkt")));
  const paths = globSync("**/*.js", { cwd: dir });
  return {
    name: "own-well-known-types",
    transform: (code) => {
      if (!code.includes("@bufbuild/protobuf/wkt")) return null;
      const text = code.replace(/^import \{ ([^}]+) \} from "@bufbuild\/protobuf\/wkt";$/gm, (_, list: string) =>
        list
          .split(", ")
          .map((name) => `import { ${name} } from ${JSON.stringify(definedBy(name))};`)
          .join("\n"),
      );
      return { code: text, map: null };
    },
  };

  function definedBy(name: string): string {
    const defines = new RegExp(`^export (?:const|function) ${name}\\b`, "m");
    const found = paths.map((path) => join(dir, path)).find((path) => defines.test(readFileSync(path, "utf8")));
    if (found === undefined) throw new Error(`no file of @bufbuild/protobuf/wkt defines ${name}`);
    return found;
  }
}
