// `slipway doctor`: what this machine has for building, what it lacks, what that costs, and what to do.

import { BuilderConfigs } from "../service/builder-store/index.ts";
import type { Finding } from "../service/doctor/index.ts";
import { goJson } from "../formats/oci/index.ts";
import type { CommandDefinition, Invocation } from "./command.ts";

export const doctor: CommandDefinition = {
  name: "doctor",
  summary: "Check what this machine has for building",
  description:
    "Looks at the container runtime, overlay mounts, cgroups, user namespaces, bridges and packet rules for containers, disk, memory, emulators, programs, Docker Engine, the builders that `slipway create` made, and the registries that are named. " +
    "Each finding that is not good says what it costs and what to do. Exits with 1 where something won't work.",
  usage: "[OPTIONS]",
  args: { min: 0, max: 0 },
  flags: [
    { name: "format", kind: "string", help: 'Format the output ("text", "json")' },
    { name: "registry", kind: "array", help: "Registries to reach (HOST[:PORT]); docker.io is one" },
  ],
  examples: [
    { what: "Everything about this machine", line: "slipway doctor" },
    { what: "And whether a registry answers", line: "slipway doctor --registry registry.example.com" },
  ],
  mounts: true,
  run: runDoctor,
};

async function runDoctor({ flags, shell, root }: Invocation): Promise<number> {
  const { builderFindings, engineFinding, machineFindings, registryFindings } =
    await import("../service/doctor/index.ts");
  const groups = await Promise.all([
    machineFindings(root),
    import("../running/containers/index.ts").then(({ containerFindings }) => containerFindings(root)),
    import("../running/networks/index.ts").then(({ networkFindings }) => networkFindings()),
    engineFinding(shell.env).then((finding) => [finding]),
    builderFindings(new BuilderConfigs(shell.env).list(), shell.env),
    registryFindings(
      flags
        .list("registry")
        .flatMap((text) => text.split(","))
        .filter((host) => host !== ""),
    ),
  ]);
  const findings = groups.flat();
  if (flags.string("format") === "json") for (const each of findings) shell.stdout.write(`${goJson({ ...each })}\n`);
  else shell.stdout.write(text(findings));
  return findings.some(({ state }) => state === "missing") ? 1 : 0;
}

const MARKS = { good: "ok", slow: "!", missing: "✗" } as const;

function text(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ area }) => area.length)) + 2;
  const lines: string[] = [];
  for (const { area, state, text: what, cost, remedy } of findings) {
    lines.push(`${MARKS[state].padEnd(4)}${area.padEnd(width)}${what}`);
    const indent = " ".repeat(4 + width);
    if (cost !== undefined) lines.push(`${indent}${cost}`);
    if (remedy !== undefined) lines.push(`${indent}→ ${remedy}`);
  }
  const count = (state: Finding["state"]) => findings.filter((each) => each.state === state).length;
  lines.push("", `${count("good")} good, ${count("slow")} could be better, ${count("missing")} missing`);
  return `${lines.join("\n")}\n`;
}
