// The bundle's compiled code, kept from one command to the next with the functions that commands called. What Node keeps by itself is a file's code as
// it is when the file was loaded, of functions that are called later nothing: compiling those was a fifth of a small build's time.
// Counterpart: node's `module.enableCompileCache`; `vm.Script` and its `cachedData`.

import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { Script } from "node:vm";

/** A file of the bundle that this process loaded. */
interface Loaded {
  readonly name: string;
  readonly script: Script;
  /** There was no code for it, or not such that it could be used. */
  readonly isNew: boolean;
}

const WRAPPER = ["(function(exports,require,module,__filename,__dirname){", "\n})"] as const;
/** The successful runs of a verb after which code is kept: the first calls other functions than the next, and soon there is nothing new. */
const KEPT_AFTER: readonly number[] = [1, 2, 4, 16];
/** V8 forgets the code of functions that have not been called for long; a process that lived so long would keep less than there was. */
const MAX_LIFE_S = 10;

/**
 * From now on the files beside `home`'s are loaded with the code that was kept in `dir`, and the code is kept there when this process ends well.
 * They have no `import()`: the bundler makes calls of `require` of it. Where code can't be read or kept nothing is lost but time. `dir` has to be one that nobody else writes to: its code is run.
 */
export function keepCompiledCode(home: string, dir: string): void {
  const own = join(dir, nameOfEngine());
  const loaded: Loaded[] = [];
  const { extensions } = createRequire(join(home, "."));
  const load = extensions[".js"]!;
  extensions[".js"] = (module, filename) => {
    if (dirname(filename) === home) loaded.push(run(module, filename, own));
    else load(module, filename);
  };
  process.once("exit", (code) => {
    if (code !== 0 || process.uptime() > MAX_LIFE_S) return;
    try {
      keep(own, loaded);
    } catch {
      // A folder that can't be written to.
    }
  });
}

function run(module: NodeJS.Module, filename: string, dir: string): Loaded {
  // The bundle is ASCII: as bytes it need not be looked at.
  const source = readFileSync(filename, "latin1");
  const name = basename(filename);
  const cachedData = read(join(dir, name));
  const script = new Script(`${WRAPPER[0]}${source}${WRAPPER[1]}`, {
    filename,
    columnOffset: -WRAPPER[0].length,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const body = script.runInThisContext() as (...given: unknown[]) => void;
  body.call(module.exports, module.exports, createRequire(filename), module, filename, dirname(filename));
  return { name, script, isNew: script.cachedDataRejected !== false };
}

/** V8 takes code back from the same version under the same flags. */
function nameOfEngine(): string {
  const flags = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ").trim();
  return `${process.version}-${process.arch} ${flags}`
    .trim()
    .replace(/[^\w.=-]+/g, "_")
    .slice(0, 200);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function keep(dir: string, loaded: readonly Loaded[]): void {
  const isDue = countRun(join(dir, `runs-${verbOf(process.argv[2])}`));
  for (const { name, script, isNew } of loaded) {
    if (isDue || isNew) writeWhole(join(dir, name), script.createCachedData());
  }
}

/** Whether code is to be kept after this run; a file's size is the number of runs. */
function countRun(path: string): boolean {
  // Whatever the umask is: who can write here has code run.
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (before >= KEPT_AFTER.at(-1)!) return false;
  appendFileSync(path, ".", { mode: 0o644 });
  return KEPT_AFTER.includes(before + 1);
}

function verbOf(argument: string | undefined): string {
  return argument !== undefined && /^[a-z]{1,16}$/.test(argument) ? argument : "other";
}

// V8 takes what it is given: after a crash there has to be all of it or nothing.
function writeWhole(path: string, bytes: Buffer): void {
  // Others may have this process's number: in a container of their own.
  const beside = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  const fd = openSync(beside, "wx", 0o644);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(beside, path);
}
