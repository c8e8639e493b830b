// Daemons in pods of a cluster, through kubectl: the driver kubernetes. One project goes to one pod, whoever builds it.
// Counterpart: docker/buildx driver/kubernetes.

import { createHash, randomInt } from "node:crypto";
import type { Duplex } from "node:stream";
import { BuildError } from "../../base/index.ts";
import type { NodeConfig } from "../builder-store/index.ts";
import { KubectlProgram } from "./kubectl.ts";
import type { Kubectl } from "./kubectl.ts";
import { DAEMON_CONTAINER, workloadKind, workloadManifest, workloadName } from "./kubernetes-manifest.ts";
import { dialScript } from "./node-daemon.ts";
import type { DaemonState, NodeDaemon } from "./node-daemon.ts";
import { invalidOption, numberOption } from "./option-values.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws DRIVER_OPTION_INVALID, BUILDER_NAME_INVALID. */
export function openKubernetesDaemon(node: NodeConfig, env: Environment): NodeDaemon {
  const { namespace } = node.driverOpts;
  const flags = [
    ...(node.endpoint === "" ? [] : [`--context=${node.endpoint}`]),
    ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
  ];
  // What a runner calls the repository is the same on all runners; a folder's name is the next best.
  const project = env["GITHUB_REPOSITORY"] || env["CI_PROJECT_PATH"] || process.cwd();
  return new KubernetesDaemon(new KubectlProgram(flags, env), node, project);
}

export class KubernetesDaemon implements NodeDaemon {
  readonly #kubectl: Kubectl;
  readonly #node: NodeConfig;
  readonly #project: string;
  readonly #name: string;
  readonly #kind: "deployment" | "statefulset";

  /** @throws DRIVER_OPTION_INVALID, BUILDER_NAME_INVALID. */
  constructor(kubectl: Kubectl, node: NodeConfig, project: string) {
    this.#kubectl = kubectl;
    this.#node = node;
    this.#project = project;
    this.#name = workloadName(node);
    this.#kind = workloadKind(node.driverOpts);
  }

  async state(signal: AbortSignal): Promise<DaemonState> {
    const text = await this.#kubectl.run(["get", this.#kind, this.#name, "--ignore-not-found", "-o", "json"], {
      signal,
    });
    if (text.trim() === "") return "inactive";
    const { status } = JSON.parse(text) as { status?: { readyReplicas?: number } };
    return (status?.readyReplicas ?? 0) > 0 ? "running" : "stopped";
  }

  async start(signal: AbortSignal): Promise<void> {
    const input = JSON.stringify(workloadManifest(this.#node));
    await this.#kubectl.run(["apply", "-f", "-"], { input, signal });
    const seconds = timeoutSeconds(this.#node.driverOpts["timeout"] ?? "120s");
    await this.#kubectl.run(["rollout", "status", `${this.#kind}/${this.#name}`, `--timeout=${seconds}s`], { signal });
  }

  async dial(signal: AbortSignal): Promise<Duplex> {
    const text = await this.#kubectl.run(["get", "pods", "-l", `app=${this.#name}`, "-o", "json"], { signal });
    const pod = choosePod(readyPods(text), this.#project, this.#node.driverOpts["loadbalance"] ?? "sticky");
    if (pod === undefined) {
      throw new BuildError(`no pod of ${this.#kind} ${this.#name} is ready`, {
        code: "BUILDER_UNREACHABLE",
        status: "Unavailable",
        hint: `kubectl describe pods -l app=${this.#name} says why`,
      });
    }
    return this.#kubectl.stream(["exec", "-i", pod, "-c", DAEMON_CONTAINER, "--", "sh", "-c", dialScript]);
  }

  async log(signal: AbortSignal): Promise<string> {
    const args = ["logs", "-l", `app=${this.#name}`, "-c", DAEMON_CONTAINER, "--tail=5"];
    return (await this.#kubectl.run(args, { signal })).trim();
  }

  /** No pods are left; what is on volume claims stays. */
  async stop(signal: AbortSignal): Promise<void> {
    if ((await this.state(signal)) === "inactive") return;
    await this.#kubectl.run(["scale", `${this.#kind}/${this.#name}`, "--replicas=0"], { signal });
  }

  async remove({ keepState }: { readonly keepState: boolean }, signal: AbortSignal): Promise<void> {
    // Builds of others may be let end; nobody waits for them here.
    const gently = ["--ignore-not-found", "--wait=false"];
    await this.#kubectl.run(["delete", this.#kind, this.#name, ...gently], { signal });
    if (keepState || this.#kind === "deployment") return;
    await this.#kubectl.run(["delete", "pvc", "-l", `app=${this.#name}`, ...gently], { signal });
  }
}

/** Names of the pods that take builds, of what `kubectl get pods -o json` prints: those that are about to end do not. */
export function readyPods(text: string): string[] {
  const { items } = JSON.parse(text) as {
    items: readonly {
      metadata: { name: string; deletionTimestamp?: string };
      status?: { phase?: string; conditions?: readonly { type: string; status: string }[] };
    }[];
  };
  return items
    .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === "Running")
    .filter(({ status }) => status?.conditions?.some((each) => each.type === "Ready" && each.status === "True"))
    .map(({ metadata }) => metadata.name);
}

/** The pod of a project, by rendezvous hashing: pods that come and go move their own share alone. @throws DRIVER_OPTION_INVALID. */
export function choosePod(pods: readonly string[], project: string, loadbalance: string): string | undefined {
  if (loadbalance === "random") return pods.length === 0 ? undefined : pods[randomInt(pods.length)];
  if (loadbalance !== "sticky") throw invalidOption("loadbalance", loadbalance, "sticky or random");
  const weight = (pod: string) => createHash("sha256").update(`${pod} ${project}`).digest("hex");
  return pods
    .map((pod) => ({ pod, weight: weight(pod) }))
    .toSorted((one, two) => (one.weight < two.weight ? 1 : -1))
    .map(({ pod }) => pod)[0];
}

function timeoutSeconds(text: string): number {
  const match = /^(\d+)(s|m)$/.exec(text);
  if (match === null) throw invalidOption("timeout", text, "seconds or minutes: 90s, 5m");
  return numberOption("timeout", match[1]!) * (match[2] === "m" ? 60 : 1);
}

/** Refuses options that could not be meant, before anything is asked of a cluster. @throws DRIVER_OPTION_INVALID, BUILDER_NAME_INVALID. */
export function checkKubernetesNode(node: NodeConfig): void {
  workloadManifest(node);
  choosePod([], "", node.driverOpts["loadbalance"] ?? "sticky");
  timeoutSeconds(node.driverOpts["timeout"] ?? "120s");
}
