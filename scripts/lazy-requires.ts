// Makes the modules that a bundled file names at its top load when one of their names is first used. Bundlers put them there because ECMAScript
// modules are evaluated in order; none of ours does anything when it is merely evaluated, and a command uses a third of what it could.

/** What a file begins with: names for modules, and what a default import needs around one. */
const NAMING = /(?:const|let|var) ([A-Za-z_$][\w$]*)=(require\("[^"]+"\));/y;
const INTEROP = /([A-Za-z_$][\w$]*)=([A-Za-z_$][\w$]*\.[A-Za-z_$]+)\(\1(,1)?\);/y;

/**
 * Rewrites one file of rolldown's CommonJS output without white space: `let node_fs=require("node:fs")` and `node_fs.x` become calls.
 *
 * @throws where a module's name is used in another way than with a dot after it.
 */
export function lazyRequires(code: string, file: string): string {
  const loads = new Map<string, string>();
  const strict = /^"use strict";/.exec(code)?.[0] ?? "";
  let at = strict.length;
  const next = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(code);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    const naming = next(NAMING);
    if (naming !== null) {
      loads.set(naming[1]!, naming[2]!);
      continue;
    }
    const interop = next(INTEROP);
    if (interop === null) break;
    const [, name, wrap, flag = ""] = interop;
    loads.set(name!, `${wrap}(${loads.get(name!)}${flag})`);
  }
  if (loads.size === 0) return code;
  const names = [...loads.keys()].map((name) => name.replaceAll("$", "\\$")).join("|");
  // A dot before a name makes it a property, but for the last dot of three.
  const used = new RegExp(`(?<![\\w$#]|(?<!\\.\\.)\\.)(new )?(${names})(?![\\w$])((?:\\.[\\w$]+)+)?`, "g");
  const called = (body: string) =>
    body.replace(used, (_, made: string | undefined, name: string, path: string | undefined) => {
      if (path === undefined) throw new Error(`${file}: ${name} is used whole, so it can't be loaded when it is used`);
      // `new name().path()` would make an object of the function.
      return made === undefined ? `${name}()${path}` : `new (${name}()${path})`;
    });
  const heads = [...loads].map(([name, load]) => `let ${name}$;const ${name}=()=>${name}$??=${called(load)};`);
  return `${strict}${heads.join("")}${called(code.slice(at))}`;
}
