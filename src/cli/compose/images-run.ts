// `compose images`, `build` and `pull`. Counterpart: docker/compose cmd/compose/{images,build,pull}.go.

import { membersOf, planImages, pullImages, withDependencies } from "../../running/projects/index.ts";
import { knownServices } from "../../running/projects/index.ts";
import type { Invocation } from "../command.ts";
import { humanSize } from "../sizes.ts";
import { alignSpaces } from "../table.ts";
import { buildServices } from "./build-services.ts";
import { loadProject } from "./load-project.ts";
import { checkServices, withProject } from "./session.ts";

export function runImages(invocation: Invocation): Promise<number> {
  const { args, flags, shell } = invocation;
  return withProject(invocation, { nameIsEnough: true, allProfiles: true, quiet: true }, async (session) => {
    const all = await membersOf(session.ports, session.project.name);
    const known = knownServices(session, all);
    for (const name of args) if (!known.has(name)) throw new Error(`no such service: ${name}`);
    const members = all.filter(({ service }) => args.length === 0 || args.includes(service));
    if (flags.bool("quiet")) {
      const ids = new Set(members.map(({ container }) => container.image.configDigest.replace("sha256:", "")));
      shell.stdout.write([...ids].map((each) => `${each}\n`).join(""));
      return 0;
    }
    const rows = await Promise.all(
      members.map(async ({ name, container }) => {
        const { reference, configDigest, platform, digest } = container.image;
        const image = await session.ports.images.find(reference, "");
        const at = container.config.image.lastIndexOf(":");
        const tagged = at > container.config.image.lastIndexOf("/");
        return {
          ID: configDigest,
          Digest: digest,
          ContainerName: name,
          Repository: tagged ? container.config.image.slice(0, at) : container.config.image,
          Tag: tagged ? container.config.image.slice(at + 1) : "latest",
          Platform: platform,
          Size: image?.sizeBytes ?? 0,
        };
      }),
    );
    if (flags.string("format") === "json") shell.stdout.write(`${JSON.stringify(rows)}\n`);
    else {
      const table = rows.map((each) => [
        each.ContainerName,
        each.Repository,
        each.Tag,
        each.Platform,
        each.ID.slice(7, 19),
        humanSize(each.Size),
      ]);
      shell.stdout.write(alignSpaces([["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE"], ...table]));
    }
    return 0;
  });
}

/** Builds by bake's own path; nothing is run. */
export async function runBuild(invocation: Invocation): Promise<number> {
  const { flags, args, shell, above } = invocation;
  const warn = (text: string) => void shell.stderr.write(`WARNING: ${text}\n`);
  const loaded = await loadProject(invocation, { services: args, warn });
  const { project } = loaded;
  checkServices(project, args);
  const chosen = flags.bool("with-dependencies")
    ? withDependencies(project.services, args)
    : new Map([...project.services].filter(([name]) => args.length === 0 || args.includes(name)));
  const names = [...chosen.values()].flatMap(({ name, build }) => (build === undefined ? [] : [name]));
  if (names.length === 0) {
    shell.stderr.write("WARNING: No services to build\n");
    return 0;
  }
  const words: string[] = [];
  for (const name of ["no-cache", "pull", "push", "check", "print"] as const)
    if (flags.bool(name)) words.push(`--${name}`);
  for (const name of ["provenance", "sbom", "builder"] as const) {
    if (flags.string(name) !== "") words.push(`--${name}=${flags.string(name)}`);
  }
  const progress = flags.string("progress") || above!.string("progress");
  if (progress !== "") words.push(`--progress=${progress}`);
  const overrides = flags.list("build-arg").map((text) => {
    const at = text.indexOf("=");
    return at < 0 ? `args.${text}=${shell.env[text] ?? ""}` : `args.${text}`;
  });
  if (flags.string("ssh") !== "") overrides.push(`ssh=${flags.string("ssh")}`);
  return await buildServices(invocation, loaded, names, {
    words,
    overrides,
    quiet: flags.bool("quiet"),
    forPush: true,
  });
}

export function runPull(invocation: Invocation): Promise<number> {
  const { flags, args } = invocation;
  const policy = flags.string("policy");
  if (policy !== "" && policy !== "missing" && policy !== "always") {
    throw new Error(`invalid --policy option ${JSON.stringify(policy)}`);
  }
  return withProject(invocation, { services: args }, async (session) => {
    checkServices(session.project, args);
    const chosen = flags.bool("include-deps")
      ? withDependencies(session.project.services, args)
      : new Map([...session.project.services].filter(([name]) => args.length === 0 || args.includes(name)));
    const work = flags.bool("quiet") ? { ...session.work(), onEvent: () => {} } : session.work();
    const buildable = new Set<string>();
    const names: string[] = [];
    for (const { name, image, build, pullPolicy } of chosen.values()) {
      if (image === "" || pullPolicy === "build" || (build !== undefined && flags.bool("ignore-buildable"))) {
        work.onEvent({ subject: `Service ${name}`, status: "Skipped - No image to be pulled" });
        continue;
      }
      if (build !== undefined) buildable.add(name);
      names.push(name);
    }
    const wanted =
      policy === "missing"
        ? (
            await planImages(work, new Map(names.map((name) => [name, chosen.get(name)!])), {
              build: "never",
              pull: "missing",
            })
          ).pull
        : names;
    const ignoreFailures = flags.bool("ignore-pull-failures");
    await pullImages(
      work,
      wanted.filter((name) => !buildable.has(name)),
      { ignoreFailures },
    );
    // What can be built need not be in a registry.
    await pullImages(
      work,
      wanted.filter((name) => buildable.has(name)),
      { ignoreFailures: true },
    );
    return 0;
  });
}
