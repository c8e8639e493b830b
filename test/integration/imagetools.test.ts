// `slipway imagetools` beside the real one, on a real registry: the same indexes byte for byte, the same words; what is copied, and how.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { Project } from "../e2e/project.ts";
import { buildxProgram } from "./peers.ts";
import { RegistryPeer, withoutRegistry } from "./registry-peer.ts";

const skip = withoutRegistry() || (process.getuid?.() !== 0 ? "building needs root" : false);
const noBuildx = existsSync(buildxProgram) ? false : `no ${buildxProgram}`;

interface Index {
  readonly digest?: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly platform: { readonly os: string; readonly architecture: string };
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

suite("imagetools", { skip }, () => {
  let project: Project;
  let registry: RegistryPeer;
  const digests: Record<string, string> = {};

  before(async () => {
    project = new Project();
    registry = await RegistryPeer.start(join(project.dir, "registry"));
    const context = project.context("FROM scratch\nARG TARGETARCH\nCOPY file /x-$TARGETARCH\n", { file: "x\n" });
    // As CI jobs do: each platform by itself, under no tag; one with attestations, one without.
    for (const [arch, provenance] of [
      ["amd64", "mode=max"],
      ["arm64", "false"],
    ] as const) {
      const metadata = join(project.dir, `${arch}.json`);
      const output = `type=image,name=${registry.host}/app,push=true,push-by-digest=true`;
      ok([
        "build",
        `--platform=linux/${arch}`,
        `--provenance=${provenance}`,
        "-o",
        output,
        "--metadata-file",
        metadata,
        context,
      ]);
      digests[arch] = (JSON.parse(readFileSync(metadata, "utf8")) as Record<string, string>)["containerimage.digest"]!;
    }
    ok(["build", "--push", "--provenance=false", "-t", `${registry.host}/one:1`, context]);
  });
  after(async () => {
    await registry[Symbol.asyncDispose]();
    project[Symbol.dispose]();
  });

  function ok(argv: readonly string[]): string {
    const { code, output } = project.slipway(argv);
    assert.equal(code, 0, output);
    return output;
  }

  /** Output of the real buildx. */
  function theirs(argv: readonly string[]): { code: number | null; stdout: string; stderr: string } {
    const config = join(project.dir, "buildx");
    mkdirSync(config, { recursive: true });
    const { status, stdout, stderr } = spawnSync(buildxProgram, ["imagetools", ...argv], {
      encoding: "utf8",
      cwd: project.dir,
      env: { ...process.env, BUILDX_CONFIG: config, DOCKER_CONFIG: config },
    });
    return { code: status, stdout, stderr };
  }

  const place = (text: string): string =>
    text
      .replaceAll("HOST", registry.host)
      .replaceAll("AMD64", digests["amd64"]!)
      .replaceAll("ARM64", digests["arm64"]!);

  test("what would be made is what buildx would make", { skip: noBuildx }, () => {
    writeFileSync(join(project.dir, "descriptor.json"), place('{"digest":"ARM64"}'));
    const rows: (readonly string[])[] = [
      ["-t", "HOST/app:1", "AMD64", "ARM64"],
      ["-t", "HOST/app:1", "HOST/app@AMD64", "HOST/one:1"],
      [
        "-t",
        "HOST/app:1",
        "--annotation",
        "index:a=<b>",
        "--annotation",
        "manifest-descriptor[linux/amd64]:x=y",
        "AMD64",
        "ARM64",
      ],
      ["-t", "HOST/app:1", "--annotation", "manifest:a=b", "AMD64"],
      ["-t", "HOST/app:1", "--annotation", "index-descriptor:a=b", "AMD64"],
      ["--prefer-index=false", "HOST/one:1"],
      ["HOST/one:1"],
      ["HOST/app@AMD64"],
      ["--platform", "linux/arm64", "-t", "HOST/app:1", "AMD64", "ARM64"],
      ["--platform", "linux/amd64,linux/s390x", "-t", "HOST/app:1", "AMD64", "ARM64"],
      ["--platform", "linux/s390x", "-t", "HOST/app:1", "AMD64", "ARM64"],
      ["--append", "-t", "HOST/one:1", "HOST/app@ARM64"],
      ["-f", "descriptor.json", "-t", "HOST/app:1"],
      ["-t", "HOST/app:1", '{"digest":"AMD64"}'],
      ["-t", "HOST/app:1", '{"digest":"AMD64","size":1}'],
      ["-t", "HOST/app:1", "sha256:aa"],
      ["-t", "HOST/app:1", "HOST/other:1", "AMD64"],
      ["HOST/nothing:1"],
    ];
    for (const row of rows) {
      const argv = ["create", "--dry-run", ...row.map(place)];
      const expected = theirs(argv);
      const { code, output } = project.slipway(["imagetools", ...argv]);
      assert.equal(code, expected.code, `${row.join(" ")}: ${output} ${expected.stderr}`);
      if (code === 0) assert.equal(output, expected.stdout, row.join(" "));
      else if (!/nothing:1|sha256:aa|other:1/.test(row.join(" ")))
        assert.equal(output.split("\n")[0], expected.stderr.split("\n")[0], row.join(" "));
    }
  });

  test("jobs' images become one; attestations go along; buildx reads the whole", async () => {
    ok([
      "imagetools",
      "create",
      "-t",
      `${registry.host}/app:1`,
      "-t",
      `${registry.host}/app:latest`,
      digests["amd64"]!,
      digests["arm64"]!,
    ]);
    const index = await registry.json<Index>("app/manifests/1");
    assert.deepEqual(
      index.manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`),
      ["linux/amd64", "unknown/unknown", "linux/arm64"],
    );
    assert.equal(index.manifests[1]!.annotations!["vnd.docker.reference.digest"], index.manifests[0]!.digest);
    assert.deepEqual(await registry.json("app/manifests/latest"), index);
    const text = ok(["imagetools", "inspect", "--format", "{{json .Provenance}}", `${registry.host}/app:1`]);
    const provenance = JSON.parse(text) as Record<string, { SLSA: { buildDefinition: object } }>;
    assert.deepEqual(Object.keys(provenance), ["linux/amd64"]);
    assert.ok("externalParameters" in provenance["linux/amd64"]!.SLSA.buildDefinition);
  });

  test("what is shown is what buildx shows", { skip: noBuildx }, () => {
    // Annotations come in no order in buildx's text.
    const lines = (text: string) => text.split("\n").toSorted();
    ok(["imagetools", "create", "-t", `${registry.host}/app:1`, digests["amd64"]!, digests["arm64"]!]);
    for (const name of ["HOST/app:1", "HOST/one:1", "HOST/app@AMD64"].map(place)) {
      const formats = [
        ["--raw"],
        ...[
          "{{.Manifest}}",
          "{{json .}}",
          "{{json .Manifest}}",
          "{{json .Image}}",
          "{{json .Provenance}}",
          "{{json .SBOM}}",
        ].map((each) => ["--format", each]),
        ["--format", "{{.Name}} {{.Manifest.Digest}} {{range .Manifest.Manifests}}{{.Size}}{{end}}"],
        ["--format", "{{range $p, $i := .Image}}{{$p}} {{$i.Config.WorkingDir}}{{println}}{{end}}"],
        ["--format", "{{.Nope}}"],
      ];
      for (const format of formats) {
        const expected = theirs(["inspect", ...format, name]);
        const { code, output } = project.slipway(["imagetools", "inspect", ...format, name]);
        const label = `${name} ${format.join(" ")}`;
        assert.equal(code, expected.code, `${label}: ${output}`);
        if (code !== 0) continue;
        if (format[1] === "{{.Manifest}}") assert.deepEqual(lines(output), lines(expected.stdout), label);
        else assert.equal(output, expected.stdout, label);
      }
      const plain = project.slipway(["imagetools", "inspect", name]).output;
      assert.deepEqual(lines(plain), lines(theirs(["inspect", name]).stdout));
    }
  });

  test("a copy mounts what the registry has, and brings it from another", async () => {
    ok(["imagetools", "create", "-t", `${registry.host}/app:1`, digests["amd64"]!, digests["arm64"]!]);
    const whole = await registry.json("app/manifests/1");
    const output = ok([
      "imagetools",
      "create",
      "--progress=plain",
      "-t",
      `${registry.host}/deep/copy:1`,
      `${registry.host}/app:1`,
    ]);
    assert.deepEqual(await registry.json("deep/copy/manifests/1"), whole);
    assert.match(output, /mounted sha256:/);
    assert.doesNotMatch(output, /uploaded/);
    assert.doesNotMatch(
      ok(["imagetools", "create", "--progress=plain", "-t", `${registry.host}/deep/copy:2`, `${registry.host}/app:1`]),
      /mounted|uploaded/,
    );

    await using other = await RegistryPeer.start(join(project.dir, "other"));
    const metadata = join(project.dir, "copied.json");
    const sent = ok([
      "imagetools",
      "create",
      "--progress=plain",
      "--metadata-file",
      metadata,
      "-t",
      `${other.host}/app:1`,
      `${registry.host}/app:1`,
    ]);
    assert.match(sent, /uploaded sha256:/);
    assert.deepEqual(await other.json("app/manifests/1"), whole);
    const facts = JSON.parse(readFileSync(metadata, "utf8")) as { "image.name": string };
    assert.equal(facts["image.name"], `${other.host}/app`);
    if (spawnSync("skopeo", ["--version"]).status === 0)
      execFileSync("skopeo", [
        "copy",
        "--all",
        "--src-tls-verify=false",
        `docker://${other.host}/app:1`,
        `dir:${join(project.dir, "read")}`,
      ]);
  });

  test("what can't be is said in a sentence", () => {
    const rows: [readonly string[], RegExp][] = [
      [["create"], /^ERROR: no sources specified/],
      [["create", "HOST/one:1"], /^ERROR: can't push with no tags specified, please set --tag or --dry-run/],
      [["create", "--dry-run", "AMD64"], /^ERROR: no repositories specified/],
      [
        ["create", "--dry-run", "-t", "HOST/a:1", "-t", "HOST/b:1", "AMD64"],
        /multiple repositories specified, cannot infer repository/,
      ],
      [
        ["create", "--dry-run", "-t", "HOST/a:1", '{"schemaVersion":2,"digest":"AMD64"}'],
        /expected an OCI content descriptor/,
      ],
      [["create", "--dry-run", "oci-layout://x"], /OCI layouts are not read or written by imagetools/],
      [["create", "--dry-run", "--platform", "a/b/c/d", "HOST/one:1"], /invalid platform "a\/b\/c\/d"/],
      [["inspect"], /requires 1 argument/],
      [["inspect", "--raw", "--format", "x", "HOST/one:1"], /format and raw cannot be used together/],
      [["inspect", "HOST/nothing:1"], /nothing/],
      [["copy"], /unknown command "copy"/],
    ];
    for (const [argv, message] of rows) {
      const { code, output } = project.slipway(["imagetools", ...argv.map(place)]);
      assert.equal(code, 1, output);
      assert.match(output, message);
    }
  });
});
