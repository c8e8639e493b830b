// What the driver kubernetes asks a cluster for: a Deployment, or a StatefulSet where the cache should outlive pods.
// Spec: Kubernetes apps/v1. Counterpart: docker/buildx driver/kubernetes/manifest.

import type { NodeConfig } from "../builder-store/index.ts";
import { BuildError } from "../../base/index.ts";
import { environmentOptions, invalidOption, numberOption } from "./option-values.ts";

type Options = NodeConfig["driverOpts"];

/** The container of the daemon in its pods. */
export const DAEMON_CONTAINER = "buildkitd";

const DEFAULT_IMAGE = "moby/buildkit:buildx-stable-1";
/** Connected to and left at once where it is our daemon; BuildKit's own question where it is buildkitd. */
const PROBE =
  "if command -v slipway >/dev/null 2>&1; then exec slipway dial-stdio </dev/null >/dev/null; else exec buildctl debug workers >/dev/null; fi";
/** As systemd's units of ours: builds that run are let end. */
const GRACE_SECONDS = 900;

/** What it is called in the cluster, as with buildx. @throws BUILDER_NAME_INVALID. */
export function workloadName(node: Pick<NodeConfig, "name">): string {
  const name = node.name.replaceAll("_", "-");
  if (/^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/.test(name)) return name;
  throw new BuildError(`node ${JSON.stringify(node.name)} can't be a name in a cluster`, {
    code: "BUILDER_NAME_INVALID",
    status: "InvalidArgument",
    hint: "small letters, digits and '-', 52 at most: slipway create --node NAME",
  });
}

/** Which kind of workload: pods with a disk each are a StatefulSet's. @throws DRIVER_OPTION_INVALID. */
export function workloadKind(options: Options): "deployment" | "statefulset" {
  const asked = options["statefulset"];
  if (asked !== undefined && asked !== "true" && asked !== "false")
    throw invalidOption("statefulset", asked, "true or false");
  return asked === "true" || storageOf(options) !== undefined ? "statefulset" : "deployment";
}

/** The workload as `kubectl apply` takes it. @throws DRIVER_OPTION_INVALID, BUILDER_NAME_INVALID. */
export function workloadManifest(node: NodeConfig): Record<string, unknown> {
  const { driverOpts: options } = node;
  const name = workloadName(node);
  const selector = { app: name };
  const labels = { ...pairs("labels", options["labels"], ["app"]), ...selector };
  const annotations = {
    ...pairs("annotations", options["annotations"], ["buildx.docker.com/platform"]),
    ...(node.platforms.length === 0 ? {} : { "buildx.docker.com/platform": node.platforms.join(",") }),
  };
  const replicas = numberOption("replicas", options["replicas"] ?? "1");
  if (!Number.isInteger(replicas) || replicas === 0)
    throw invalidOption("replicas", options["replicas"] ?? "", "a whole number, 1 or more");
  const storage = storageOf(options);
  const isStateful = workloadKind(options) === "statefulset";
  const template = { metadata: { labels, annotations }, spec: podSpec(node, storage === undefined) };
  const spec = { replicas, selector: { matchLabels: selector }, template };
  const claims = [
    {
      metadata: { name: "state", labels: selector },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
    },
  ];
  return {
    apiVersion: "apps/v1",
    kind: isStateful ? "StatefulSet" : "Deployment",
    metadata: { name, labels, annotations },
    spec: isStateful
      ? {
          ...spec,
          serviceName: name,
          podManagementPolicy: "Parallel",
          ...(storage === undefined ? {} : { volumeClaimTemplates: claims }),
        }
      : spec,
  };
}

function podSpec(node: NodeConfig, isFleeting: boolean): Record<string, unknown> {
  const { driverOpts: options } = node;
  const probe = {
    exec: { command: ["sh", "-c", PROBE] },
    initialDelaySeconds: 2,
    periodSeconds: 30,
    timeoutSeconds: 60,
    failureThreshold: 3,
  };
  const container = {
    name: DAEMON_CONTAINER,
    image: options["image"] ?? DEFAULT_IMAGE,
    args: node.flags,
    securityContext: { privileged: true },
    env: environmentOptions(options).map((each) => {
      const at = each.indexOf("=");
      return { name: each.slice(0, at), value: each.slice(at + 1) };
    }),
    readinessProbe: { ...probe, periodSeconds: 5 },
    livenessProbe: probe,
    resources: { requests: resources(options, "requests."), limits: resources(options, "limits.") },
    // Whichever daemon it is: its store is never on the container's own layer, where overlayfs can't be.
    volumeMounts: [
      { name: "state", mountPath: "/var/lib/slipway", subPath: "slipway" },
      { name: "state", mountPath: "/var/lib/buildkit", subPath: "buildkit" },
    ],
  };
  const { serviceaccount, schedulername, nodeselector, tolerations } = options;
  return {
    terminationGracePeriodSeconds: GRACE_SECONDS,
    containers: [container],
    ...(isFleeting ? { volumes: [{ name: "state", emptyDir: {} }] } : {}),
    ...(serviceaccount === undefined ? {} : { serviceAccountName: serviceaccount }),
    ...(schedulername === undefined ? {} : { schedulerName: schedulername }),
    ...(nodeselector === undefined ? {} : { nodeSelector: pairs("nodeselector", nodeselector) }),
    ...(tolerations === undefined ? {} : { tolerations: tolerations.split(";").map(toleration) }),
  };
}

/** buildx's name for it, and a short one. */
function storageOf(options: Options): string | undefined {
  const storage = options["persistent-volume-claim.requests.storage"] ?? options["storage"];
  return storage === undefined ? undefined : quantity("storage", storage);
}

function resources(options: Options, prefix: string): Record<string, string> {
  return Object.fromEntries(
    ["cpu", "memory", "ephemeral-storage"].flatMap((name) => {
      const value = options[`${prefix}${name}`];
      return value === undefined ? [] : [[name, quantity(`${prefix}${name}`, value)]];
    }),
  );
}

function quantity(name: string, text: string): string {
  if (/^\d+(\.\d+)?(m|k|[KMGTPE]i?|e\d+)?$/.test(text)) return text;
  throw invalidOption(name, text, "a quantity of Kubernetes: 500m, 2, 4Gi");
}

function pairs(name: string, text: string | undefined, reserved: readonly string[] = []): Record<string, string> {
  if (text === undefined) return {};
  const entries = text
    .replaceAll(/^"|"$/g, "")
    .split(",")
    .map((each) => each.split("="));
  if (entries.some(({ length }) => length !== 2)) throw invalidOption(name, text, "KEY=VALUE, several with commas");
  const taken = entries.find(([key = ""]) => reserved.includes(key));
  if (taken !== undefined) throw invalidOption(name, text, `${taken[0]} is the driver's own`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function toleration(text: string): Record<string, unknown> {
  const fields = Object.entries(pairs("tolerations", text));
  const known = ["key", "operator", "value", "effect", "tolerationSeconds"];
  if (fields.some(([key]) => !known.includes(key)))
    throw invalidOption("tolerations", text, `it has ${known.join(", ")}`);
  return Object.fromEntries(
    fields.map(([key, value]) => [key, key === "tolerationSeconds" ? numberOption(key, value) : value]),
  );
}
