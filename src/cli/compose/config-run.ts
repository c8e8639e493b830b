// `compose config` and `compose version`. Counterpart: docker/compose cmd/compose/{config,version}.go.

import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { stringify } from "yaml";
import { packageVersion } from "../../base/index.ts";
import { canonicalOutput } from "../../frontends/compose/index.ts";
import type { Plain, RunProject } from "../../frontends/compose/index.ts";
import { configHash, imageOf, withDependencies } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { loadProject } from "./load-project.ts";
import { checkServices } from "./session.ts";

export async function runConfig(invocation: Invocation): Promise<number> {
  const { flags, args, shell } = invocation;
  const literal = flags.bool("no-interpolate");
  const warn = (text: string) => void shell.stderr.write(`WARNING: ${text}\n`);
  const { project, environment } = await loadProject(invocation, {
    services: args,
    literal,
    allProfiles: flags.bool("profiles"),
    warn,
  });
  project.warnings.forEach(warn);
  if (!literal) checkServices(project, args);
  if (flags.bool("quiet")) return 0;
  const listed = lists(invocation, project);
  if (listed !== undefined) shell.stdout.write(listed.map((each) => `${each}\n`).join(""));
  else if (flags.bool("environment")) {
    shell.stdout.write(
      [...environment]
        .toSorted()
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
  } else {
    const names = args.length === 0 || literal ? args : [...withDependencies(project.services, args).keys()];
    const text = rendered(canonicalOutput(project, names, literal), flags.string("format"), literal);
    if (flags.string("output") === "") shell.stdout.write(text);
    else writeFileSync(resolve(shell.cwd, flags.string("output")), text);
  }
  return 0;
}

function lists({ flags, args }: Invocation, project: RunProject): string[] | undefined {
  const chosen = [...withDependencies(project.services, args).values()];
  if (flags.bool("services")) return chosen.map(({ name }) => name).toSorted();
  if (flags.bool("images")) return [...new Set(chosen.map((each) => imageOf(each, project)))].toSorted();
  if (flags.bool("volumes")) return [...project.volumes.keys()].toSorted();
  if (flags.bool("networks")) return [...project.networks.keys()].toSorted();
  if (flags.bool("profiles"))
    return [...new Set([...project.services.values()].flatMap(({ profiles }) => profiles))].toSorted();
  const hash = flags.string("hash");
  if (hash === "") return undefined;
  const wanted = hash === "*" ? [...project.services.keys()] : hash.split(",");
  return wanted.toSorted().map((name) => {
    const service = project.services.get(name);
    if (service === undefined) throw new Error(`no such service: ${name}`);
    return `${name} ${configHash(service, project)}`;
  });
}

function rendered(value: Plain, format: string, literal: boolean): string {
  // Read again, what is written must mean the same.
  const escaped = literal ? value : withDollars(value);
  if (format === "json") return `${JSON.stringify(sorted(escaped), undefined, 2)}\n`;
  if (format !== "" && format !== "yaml") throw new Error(`unsupported format ${JSON.stringify(format)}`);
  return stringify(sorted(escaped), { lineWidth: 0, nullStr: "null", aliasDuplicateObjects: false });
}

function withDollars(value: Plain): Plain {
  if (typeof value === "string") return value.replaceAll("$", "$$$$");
  if (Array.isArray(value)) return value.map(withDollars);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withDollars(each)]));
}

/** The name first, then all by name. */
function sorted(value: Plain, top = true): Plain {
  if (Array.isArray(value)) return value.map((each) => sorted(each, false));
  if (typeof value !== "object" || value === null) return value;
  const order = (key: string) => (top ? ["name", "services"].indexOf(key) + 1 || 9 : 1);
  const entries = Object.entries(value).toSorted(([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each, false)]));
}

/** The version of the Compose release that this one reads and acts like, and its own. */
export function runVersion({ flags, shell }: Invocation): Promise<number> {
  const version = packageVersion;
  if (flags.bool("short")) shell.stdout.write(`${version}\n`);
  else if (flags.string("format") === "json") shell.stdout.write(`${JSON.stringify({ version })}\n`);
  else shell.stdout.write(`Slipway Compose version ${version}\n`);
  return Promise.resolve(0);
}
