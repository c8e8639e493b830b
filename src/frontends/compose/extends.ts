// Follows `extends`: a service takes what another one, here or in another file, says, and puts its own over it.
// Counterpart: compose-go loader/extends.go.

import { composeError } from "./error.ts";
import { kindOf } from "./host.ts";
import type { LoadContext } from "./context.ts";
import { withoutReset } from "./reset.ts";
import { mergeServices } from "./merge.ts";
import { joinPath, resolvePaths } from "./paths.ts";
import type { Path } from "./pattern.ts";
import { posix } from "node:path";
import { isMap } from "./value.ts";
import type { ComposeMap, ComposeValue } from "./value.ts";

const maxDepth = 100;

interface Reference {
  readonly file: string;
  readonly service: string;
}

interface Scope {
  readonly services: ComposeMap;
  readonly resets: readonly Path[];
}

/** The document with its services extended. `fileName` is that of its file. @throws COMPOSE_INVALID, also for cycles. */
export function applyExtends(
  document: ComposeMap,
  fileName: string,
  resets: readonly Path[],
  context: LoadContext,
): ComposeMap {
  const given = document.get("services");
  if (given === undefined) return document;
  if (!isMap(given)) throw composeError("services must be a mapping");
  const services = new Map(given);
  const extender = new Extender(fileName, context);
  for (const name of services.keys()) services.set(name, extender.extend(name, { services, resets }, []));
  return new Map([...document, ["services", services]]);
}

class Extender {
  readonly #fileName: string;
  readonly #context: LoadContext;

  constructor(fileName: string, context: LoadContext) {
    this.#fileName = fileName;
    this.#context = context;
  }

  extend(name: string, scope: Scope, trail: readonly Reference[]): ComposeValue {
    const service = scope.services.get(name) ?? null;
    if (service === null) return null;
    if (!isMap(service)) throw composeError(`services.${name} must be a mapping`);
    const wanted = service.get("extends");
    if (wanted === undefined) return service;
    const { ref, file } = reference(wanted, name);
    let from: Scope = scope;
    if (file !== undefined) from = this.#scopeOf(file, name, ref);
    else if (!scope.services.has(ref)) {
      throw composeError(`cannot extend service "${name}" in ${this.#fileName}: service "${ref}" not found`);
    }
    const base = this.extend(ref, from, followed(trail, { file: file ?? this.#fileName, service: name }));
    if (base === null) return service;
    if (!isMap(base)) throw composeError(`services.${ref} must be a mapping`);
    const kept = withoutReset(base, scope.resets, ["services", name]);
    const merged = new Map(mergeServices(kept, service));
    merged.delete("extends");
    scope.services.set(name, merged);
    return merged;
  }

  #scopeOf(file: string, name: string, ref: string): Scope {
    const { loaderFolder, host } = this.#context;
    const local = posix.isAbsolute(file) ? file : joinPath(loaderFolder, file);
    const { document, resets } = this.#context.loader.plain({ name: local }, this.#context);
    const fail = (problem: string) => composeError(`cannot extend service "${name}" in ${problem}`);
    if (!document.has("services")) throw fail(`${local}: no services section`);
    const services = document.get("services");
    if (!isMap(services)) throw fail(`${local}: services must be a mapping`);
    if (!services.has(ref)) throw fail(`${file}: service "${ref}" not found in ${file}`);
    const folder = kindOf(host, local) === "folder" ? file : posix.dirname(file);
    const placed = resolvePaths(document, { folder: folder === "." ? "" : folder, home: host.home });
    return { services: placed.get("services") as ComposeMap, resets };
  }
}

function reference(wanted: ComposeValue, name: string): { ref: string; file: string | undefined } {
  if (typeof wanted === "string") return { ref: wanted, file: undefined };
  const ref = isMap(wanted) ? wanted.get("service") : undefined;
  if (!isMap(wanted) || typeof ref !== "string") throw composeError(`extends.${name}.service is required`);
  const file = wanted.get("file") ?? null;
  if (file !== null && typeof file !== "string") throw composeError(`services.${name}.extends.file must be a string`);
  return { ref, file: file ?? undefined };
}

function followed(trail: readonly Reference[], next: Reference): readonly Reference[] {
  const known = trail.some(({ file, service }) => file === next.file && service === next.service);
  if (!known) {
    if (trail.length >= maxDepth) throw composeError(`services extend each other more than ${maxDepth} deep`);
    return [...trail, next];
  }
  const [first, ...rest] = [...trail, next];
  const lines = rest.map(({ file, service }) => `  extends ${service} in ${file}`);
  throw composeError(["Circular reference:", `  ${first!.service} in ${first!.file}`, ...lines].join("\n"));
}
