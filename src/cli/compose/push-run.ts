// `compose push`: the images that were tested, byte for byte. An `up` keeps the digest of each image that it runs; when the name means
// something else by now, nothing is pushed. Counterpart: docker/compose cmd/compose/push.go.

import { BuildError, messageOf } from "../../base/index.ts";
import { imageOf, settle, withDependencies } from "../../running/projects/index.ts";
import type { RunService } from "../../frontends/compose/index.ts";
import type { Invocation } from "../command.ts";
import { alignSpaces } from "../table.ts";
import { checkServices, withProject } from "./session.ts";
import type { Session } from "./session.ts";
import { readTested } from "./tested.ts";
import type { Tested } from "./tested.ts";

export function runPush(invocation: Invocation): Promise<number> {
  const { flags, args, shell, root } = invocation;
  return withProject(invocation, { services: args, quiet: true }, async (session) => {
    const { project, warn } = session;
    checkServices(project, args);
    const chosen = flags.bool("include-deps")
      ? withDependencies(project.services, args)
      : new Map([...project.services].filter(([name]) => args.length === 0 || args.includes(name)));
    const wanted = [...chosen.values()].filter(({ build }) => build !== undefined);
    const named = wanted.filter(({ image }) => image !== "");
    for (const { name } of wanted.filter(({ image }) => image === "")) {
      warn(`service ${JSON.stringify(name)} is not pushed: it has no image name`);
    }
    const tested = readTested(root, project.name);
    if (!flags.bool("untested")) {
      // All are judged before any is pushed.
      for (const service of named) await checkTested(service, tested, session);
    }
    const rows: string[][] = [];
    const byImage = Map.groupBy(named, (service) => imageOf(service, project));
    await settle(
      [...byImage.keys()].map(async (reference) => {
        const subject = `Image ${reference}`;
        const onEvent = flags.bool("quiet") ? () => {} : session.work().onEvent;
        onEvent({ subject, status: "Pushing" });
        try {
          const digest = await session.ports.images.push(reference, session.work().signal);
          onEvent({ subject, status: "Pushed" });
          rows.push([reference, digest]);
        } catch (error) {
          onEvent({ subject, status: "Error", failed: true });
          if (!flags.bool("ignore-push-failures")) throw error;
          warn(`${reference}: ${messageOf(error)}`);
        }
      }),
    );
    session.progress.finish();
    if (rows.length > 0) {
      rows.sort(([a], [b]) => (a! < b! ? -1 : 1));
      shell.stdout.write(alignSpaces([["IMAGE", "DIGEST"], ...rows]));
    }
    return 0;
  });
}

/** @throws IMAGE_CHANGED, TESTS_FAILED. */
async function checkTested(
  service: RunService,
  tested: Tested | undefined,
  { project, ports }: Session,
): Promise<void> {
  const known = tested?.services[service.name];
  // Never run by an up: what was built is pushed, as docker compose does.
  if (tested === undefined || known === undefined) return;
  const reference = imageOf(service, project);
  const now = await ports.images.find(reference, service.platform);
  if (known.reference !== reference || now?.digest !== known.digest) {
    const is = now === undefined ? "is gone" : `is ${now.digest} now`;
    throw new BuildError(
      `image ${reference} of service ${JSON.stringify(service.name)} ${is}, but ${known.digest} is what the last up ran`,
      {
        code: "IMAGE_CHANGED",
        status: "FailedPrecondition",
        hint: "test what there is now with slipway compose up, or push it with --untested",
      },
    );
  }
  if (tested.exitCode !== undefined && tested.exitCode !== 0) {
    throw new BuildError(`the last tests of project ${project.name} ended with exit code ${tested.exitCode}`, {
      code: "TESTS_FAILED",
      status: "FailedPrecondition",
      hint: "push what has failed with --untested",
    });
  }
}
