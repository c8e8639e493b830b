import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { NodeConfig } from "../builder-store/index.ts";
import type { Kubectl } from "./kubectl.ts";
import { checkKubernetesNode, choosePod, KubernetesDaemon, readyPods } from "./kubernetes-daemon.ts";
import { workloadManifest } from "./kubernetes-manifest.ts";

const signal = AbortSignal.timeout(60_000);

function node(driverOpts: Readonly<Record<string, string>> = {}, name = "pods0"): NodeConfig {
  return { name, endpoint: "", platforms: [], driverOpts, flags: ["--oci-max-parallelism=4"] };
}

class Recorder implements Kubectl {
  readonly calls: string[] = [];
  readonly inputs: string[] = [];
  readonly #answers: Readonly<Record<string, string>>;

  constructor(answers: Readonly<Record<string, string>> = {}) {
    this.#answers = answers;
  }

  run(args: readonly string[], { input }: { readonly input?: string }): Promise<string> {
    this.calls.push(args.join(" "));
    if (input !== undefined) this.inputs.push(input);
    return Promise.resolve(this.#answers[args.slice(0, 2).join(" ")] ?? "");
  }

  stream(args: readonly string[]): PassThrough {
    this.calls.push(args.slice(0, 8).join(" "));
    return new PassThrough();
  }
}

const pod = (name: string, options: { ready?: boolean; phase?: string; ending?: boolean } = {}) => ({
  metadata: { name, ...(options.ending === true ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}) },
  status: {
    phase: options.phase ?? "Running",
    conditions: [{ type: "Ready", status: options.ready === false ? "False" : "True" }],
  },
});

test("a deployment: privileged pods, their store on a volume of their own, limits and places", () => {
  const manifest = workloadManifest(
    node({
      image: "registry.example.com/slipway:1",
      replicas: "3",
      "requests.cpu": "500m",
      "requests.memory": "1Gi",
      "limits.memory": "4Gi",
      nodeselector: "disk=fast,kind=build",
      tolerations: "key=build,operator=Exists,tolerationSeconds=30;key=other",
      labels: "team=ci",
      serviceaccount: "builder",
      "env.HTTP_PROXY": "http://proxy.example.com:3128/?a=b",
    }),
  ) as {
    kind: string;
    metadata: unknown;
    spec: { template: { spec: Record<string, unknown> } } & Record<string, unknown>;
  };
  const { template, ...spec } = manifest.spec;
  assert.equal(manifest.kind, "Deployment");
  assert.deepEqual(manifest.metadata, { name: "pods0", labels: { team: "ci", app: "pods0" }, annotations: {} });
  assert.deepEqual(spec, { replicas: 3, selector: { matchLabels: { app: "pods0" } } });
  const { containers, ...pods } = template.spec as { containers: Record<string, unknown>[] };
  assert.deepEqual(pods, {
    terminationGracePeriodSeconds: 900,
    volumes: [{ name: "state", emptyDir: {} }],
    serviceAccountName: "builder",
    nodeSelector: { disk: "fast", kind: "build" },
    tolerations: [{ key: "build", operator: "Exists", tolerationSeconds: 30 }, { key: "other" }],
  });
  const { readinessProbe, livenessProbe, ...container } = containers[0]!;
  assert.ok(readinessProbe !== undefined && livenessProbe !== undefined);
  assert.deepEqual(container, {
    name: "buildkitd",
    image: "registry.example.com/slipway:1",
    args: ["--oci-max-parallelism=4"],
    securityContext: { privileged: true },
    env: [{ name: "HTTP_PROXY", value: "http://proxy.example.com:3128/?a=b" }],
    resources: { requests: { cpu: "500m", memory: "1Gi" }, limits: { memory: "4Gi" } },
    volumeMounts: [
      { name: "state", mountPath: "/var/lib/slipway", subPath: "slipway" },
      { name: "state", mountPath: "/var/lib/buildkit", subPath: "buildkit" },
    ],
  });
});

test("storage makes it a stateful set with a claim for each pod", () => {
  for (const options of [
    { storage: "20Gi" },
    { "persistent-volume-claim.requests.storage": "20Gi", statefulset: "true" },
  ]) {
    const { kind, spec } = workloadManifest(node(options)) as {
      kind: string;
      spec: { volumeClaimTemplates: unknown; serviceName: string; template: { spec: { volumes?: unknown } } };
    };
    assert.equal(kind, "StatefulSet");
    assert.equal(spec.serviceName, "pods0");
    assert.equal(spec.template.spec.volumes, undefined);
    assert.deepEqual(spec.volumeClaimTemplates, [
      {
        metadata: { name: "state", labels: { app: "pods0" } },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "20Gi" } } },
      },
    ]);
  }
});

test("what could not be meant is refused before a cluster is asked", () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ replicas: "0" }, /invalid driver option replicas="0"/],
    [{ replicas: "1.5" }, /invalid driver option replicas/],
    [{ "requests.memory": "lots" }, /invalid driver option requests\.memory="lots"/],
    [{ nodeselector: "disk" }, /invalid driver option nodeselector/],
    [{ labels: "app=other" }, /invalid driver option labels/],
    [{ statefulset: "yes" }, /invalid driver option statefulset/],
    [{ loadbalance: "best" }, /invalid driver option loadbalance/],
    [{ timeout: "soon" }, /invalid driver option timeout/],
  ];
  for (const [options, message] of cases) assert.throws(() => checkKubernetesNode(node(options)), message);
  assert.throws(() => checkKubernetesNode(node({}, "Big")), /can't be a name in a cluster/);
  checkKubernetesNode(node({}, "brisk_barge0"));
});

test("what kubectl is asked", async () => {
  const pods = JSON.stringify({ items: [pod("pods0-a", { ready: false }), pod("pods0-b")] });
  const kubectl = new Recorder({ "get pods": pods, "get deployment": '{"status":{"readyReplicas":1}}' });
  const daemon = new KubernetesDaemon(kubectl, node({ timeout: "3m" }), "project");
  assert.equal(await daemon.state(signal), "running");
  await daemon.start(signal);
  (await daemon.dial(signal)).destroy();
  await daemon.stop(signal);
  await daemon.remove({ keepState: false }, signal);
  assert.deepEqual(kubectl.calls, [
    "get deployment pods0 --ignore-not-found -o json",
    "apply -f -",
    "rollout status deployment/pods0 --timeout=180s",
    "get pods -l app=pods0 -o json",
    "exec -i pods0-b -c buildkitd -- sh -c",
    "get deployment pods0 --ignore-not-found -o json",
    "scale deployment/pods0 --replicas=0",
    "delete deployment pods0 --ignore-not-found --wait=false",
  ]);
  assert.equal((JSON.parse(kubectl.inputs[0]!) as { kind: string }).kind, "Deployment");
});

test("states, and claims that go or are kept", async () => {
  const scaled = new Recorder({ "get statefulset": '{"status":{"replicas":0}}' });
  const daemon = new KubernetesDaemon(scaled, node({ storage: "1Gi" }), "project");
  assert.equal(await daemon.state(signal), "stopped");
  await daemon.remove({ keepState: true }, signal);
  await daemon.remove({ keepState: false }, signal);
  assert.deepEqual(scaled.calls.slice(1), [
    "delete statefulset pods0 --ignore-not-found --wait=false",
    "delete statefulset pods0 --ignore-not-found --wait=false",
    "delete pvc -l app=pods0 --ignore-not-found --wait=false",
  ]);
  const nothing = new KubernetesDaemon(new Recorder(), node(), "project");
  assert.equal(await nothing.state(signal), "inactive");
  const none = new KubernetesDaemon(new Recorder({ "get pods": '{"items":[]}' }), node(), "project");
  await assert.rejects(none.dial(signal), /no pod of deployment pods0 is ready/);
});

test("pods that are about to end, or not ready, take no builds", () => {
  const items = [pod("a"), pod("b", { ending: true }), pod("c", { phase: "Pending" }), pod("d", { ready: false })];
  assert.deepEqual(readyPods(JSON.stringify({ items })), ["a"]);
});

test("a project stays with its pod while others come and go", () => {
  const before = ["a", "b", "c", "d"];
  const after = ["d", "c", "a"];
  const used = new Set<string>();
  for (let project = 0; project < 200; project++) {
    const chosen = choosePod(before, `project ${project}`, "sticky")!;
    used.add(chosen);
    if (chosen !== "b") assert.equal(choosePod(after, `project ${project}`, "sticky"), chosen);
  }
  assert.deepEqual([...used].toSorted(), before);
  assert.ok(before.includes(choosePod(before, "any", "random")!));
  assert.equal(choosePod([], "any", "random"), undefined);
});
