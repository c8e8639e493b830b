import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  annotations,
  entitlements,
  extraHosts,
  keyValues,
  parseSecret,
  parseSsh,
  resourceLimits,
  attestationAttributes,
} from "./build-values.ts";
import { parseCsv } from "./csv.ts";
import { parseFilters } from "./filters.ts";
import { parseOutput } from "./outputs.ts";
import { humanDuration, humanSize, parseDuration, parseSize } from "./sizes.ts";
import { alignSpaces, alignTabs } from "./table.ts";
import { renderTemplate } from "./template.ts";
import { ulimitAttribute } from "./ulimits.ts";

function table<T>(name: string, run: (input: T) => unknown, rows: readonly (readonly [T, unknown])[]): void {
  suite(name, () => {
    for (const [input, expected] of rows) {
      test(JSON.stringify(input), () => {
        if (expected instanceof Error) assert.throws(() => run(input), { message: expected.message });
        else assert.deepEqual(run(input), expected);
      });
    }
  });
}

table("sizes are read", parseSize, [
  ["0", 0],
  ["1024", 1024],
  ["64m", 67108864],
  ["64MB", 67108864],
  ["1.5GiB", 1610612736],
  ["2 k", 2048],
  ["7b", 7],
  ["", new Error("invalid size: ''")],
  ["m", new Error("invalid size: 'm'")],
  ["-1", new Error("invalid size: '-1'")],
  ["1mm", new Error("invalid suffix: 'mm'")],
]);

table("sizes are written", humanSize, [
  [0, "0B"],
  [999, "999B"],
  [1000, "1kB"],
  [1234567, "1.235MB"],
  [2_746_000_000, "2.746GB"],
]);

table("spans are read", parseDuration, [
  ["24h", 86_400_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1500],
  ["0", 0],
  ["10", new Error('time: missing unit in duration "10"')],
  ["1d", new Error('time: unknown unit "d" in duration "1d"')],
  ["x", new Error('time: invalid duration "x"')],
  ["", new Error('time: invalid duration ""')],
]);

table("spans are written", humanDuration, [
  [400, "Less than a second"],
  [1000, "1 second"],
  [59_000, "59 seconds"],
  [60_000, "About a minute"],
  [3_540_000, "59 minutes"],
  [3_600_000, "About an hour"],
  [47 * 3_600_000, "47 hours"],
  [3 * 86_400_000, "3 days"],
  [20 * 86_400_000, "2 weeks"],
  [100 * 86_400_000, "3 months"],
  [800 * 86_400_000, "2 years"],
]);

table("lines of comma-separated values", parseCsv, [
  ["a,b", ["a", "b"]],
  ["a,", ["a", ""]],
  ['"a,b",c', ["a,b", "c"]],
  ['"say ""hi""",x', ['say "hi"', "x"]],
  ['type=local,"dest=a,b"', ["type=local", "dest=a,b"]],
  ['"open', new Error('parse error on line 1, column 2: extraneous or missing " in quoted-field')],
]);

table(
  "outputs",
  (text: string) => {
    const { type, attributes, destination } = parseOutput(text);
    return [type, Object.fromEntries(attributes), destination];
  },
  [
    ["out", ["local", {}, "out"]],
    ["-", ["tar", {}, "-"]],
    ["type=local,dest=out", ["local", {}, "out"]],
    ["type=oci,dest=x.tar,Compression=zstd", ["oci", { compression: "zstd" }, "x.tar"]],
    ['type=tar,"dest=a,b.tar"', ["tar", {}, "a,b.tar"]],
    ["type=image,name=a", ["image", { name: "a" }, undefined]],
    ["type=", new Error("type is required for output")],
    ["dest=a,oops", new Error("invalid value oops")],
    ["dest=a", ["local", {}, "dest=a"]],
  ],
);

table("secrets", parseSecret, [
  ["id=a", { id: "a" }],
  ["id=a,src=/f", { id: "a", file: "/f" }],
  ["id=a,source=/f,type=file", { id: "a", file: "/f" }],
  ["id=a,env=X", { id: "a", env: "X" }],
  ["type=env,id=a,src=X", { id: "a", env: "X" }],
  ["id", new Error("invalid field 'id' must be a key=value pair")],
  ["id=a,type=vault", new Error('unsupported secret type "vault"')],
  ["id=a,password=hunter2", new Error("unexpected key 'password' in 'password=…'")],
]);

table("ssh", parseSsh, [
  ["default", { id: "default", paths: [] }],
  ["a=/sock", { id: "a", paths: ["/sock"] }],
  ["a=k1,k2", { id: "a", paths: ["k1", "k2"] }],
]);

table("extra hosts", extraHosts, [
  [[], ""],
  [["a:1.2.3.4"], "a=1.2.3.4"],
  [["a=1.2.3.4", "b:[::1]"], "a=1.2.3.4,b=::1"],
  [["a=1.1.1.1,2.2.2.2"], "a=1.1.1.1,a=2.2.2.2"],
  [["a"], new Error("invalid host a")],
  [["a:nope"], new Error("invalid host a:nope")],
]);

table("key-value pairs", (values: string[]) => Object.fromEntries(keyValues(values, { HOME: "/root" })), [
  [["A=1", "B=x=y", "C="], { A: "1", B: "x=y", C: "" }],
  [["HOME", "UNSET"], { HOME: "/root" }],
  [["=x"], new Error('invalid key-value pair "=x": empty key')],
]);

table("resources", (values: string[]) => Object.fromEntries(resourceLimits(values)), [
  [
    ["memory=2g", "memory-swap=-1", "cpu-quota=50000", "cpuset-cpus=0-3"],
    { memory: "2147483648", memswap: "-1", cpuquota: "50000", cpusetcpus: "0-3" },
  ],
  [["memory=0"], {}],
  [["memory"], new Error('invalid resource "memory", expected key=value')],
  [["gpu=1"], new Error('unknown resource "gpu"')],
  [["toString=1"], new Error('unknown resource "toString"')],
  [
    ["cpu-quota=x"],
    new Error('invalid value "x" for resource cpu-quota: strconv.ParseInt: parsing "x": invalid syntax'),
  ],
]);

table("entitlements", entitlements, [
  [["network.host", "buildx.local.delete"], { granted: ["network.host"], localDelete: true }],
  [["root"], new Error("unknown entitlement root")],
]);

table("annotations", (values: string[]) => Object.fromEntries(annotations(values)), [
  [["a=b"], { "annotation.a": "b" }],
  [["index,manifest[linux/amd64]:a=b:c"], { "annotation-index.a": "b:c", "annotation-manifest[linux/amd64].a": "b:c" }],
  [["a"], new Error('parse annotations: invalid annotation "a", expected key=value')],
  [["layer:a=b"], new Error('parse annotations: unknown annotation type "layer"')],
]);

table(
  "attestations",
  ([attests, provenance, sbom, env]: [string[], string, string, Record<string, string>?]) =>
    Object.fromEntries(attestationAttributes(attests, { provenance, sbom }, env ?? {})),
  [
    [[[], "false", ""], {}],
    [[[], "", ""], { "attest:provenance": "mode=min,inline-only=true" }],
    [[[], "", "", { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" }], {}],
    [[[], "", "true", { BUILDX_NO_DEFAULT_ATTESTATIONS: "true" }], { "attest:sbom": "type=sbom" }],
    [[["type=sbom,disabled=true"], "mode=max", ""], { "attest:provenance": "type=provenance,mode=max" }],
    [
      [["type=sbom,generator=a,x=1", "type=provenance,mode=min"], "mode=max", "generator=b"],
      { "attest:sbom": "type=sbom,generator=a,x=1", "attest:provenance": "type=provenance,mode=min" },
    ],
    [[["generator=x"], "", ""], new Error("attestation type not specified")],
    [[["type=sbom,generator"], "", ""], new Error("invalid value generator")],
    [
      [[], "", "", { BUILDX_NO_DEFAULT_ATTESTATIONS: "maybe" }],
      new Error('invalid BUILDX_NO_DEFAULT_ATTESTATIONS: strconv.ParseBool: parsing "maybe": invalid syntax'),
    ],
  ],
);

table("ulimits", ulimitAttribute, [
  [[], ""],
  [["nofile=1024:2048", "core=-1", "nofile=5"], "core=-1:-1,nofile=5:5"],
]);

table("filters", parseFilters, [
  [["type=exec.cachemount", "until=24h"], { filters: ["type=exec.cachemount"], keepDurationMs: 86_400_000 }],
  [["inuse", "description~=a=b"], { filters: ["inuse", "description~=a=b"], keepDurationMs: undefined }],
  [["Type==regular"], { filters: ["type=regular"], keepDurationMs: undefined }],
  [["id=a", "id=b"], new Error('"id" filter expects only one value')],
  [["until=1h", "unused-for=1h"], new Error('conflicting filters "until" and "unused-for"')],
  [["until=soon"], new Error('"until" filter expects a duration (e.g., \'24h\'): time: invalid duration "soon"')],
]);

const value = { Name: "a", Config: { Env: ["A=1", "B=<2>"], Labels: { x: "y" } }, Size: 5 };
table("templates", (template: string) => renderTemplate(template, value), [
  ["{{.Name}}: {{ .Size }}", "a: 5"],
  ["{{json .Config.Env}}", '["A=1","B=\\u003c2\\u003e"]'],
  ["{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=<2>] map[x:y]"],
  ["{{index .Config.Env 1}}{{len .Config.Env}}", "B=<2>2"],
  ["{{.Nope}}", new Error("template: can't evaluate field Nope in {{.Nope}}")],
  ["{{.Config.constructor}}", new Error("template: can't evaluate field constructor in {{.Config.constructor}}")],
  [
    "{{range .Config}}",
    new Error(
      "template: {{range .Config}} is not understood; use {{.Field}}, {{json .Field}}, {{index .List 0}} or {{len .List}}",
    ),
  ],
]);

test("tables", () => {
  assert.equal(
    alignSpaces([
      ["ID", "SIZE", "LAST"],
      ["abcdefghijkl", "1kB", ""],
    ]),
    "ID             SIZE      LAST\nabcdefghijkl   1kB       \n",
  );
  assert.equal(
    alignTabs([
      ["Reclaimable:", "1kB"],
      ["Total:", "12MB"],
    ]),
    "Reclaimable:\t1kB\nTotal:\t\t12MB\n",
  );
});
