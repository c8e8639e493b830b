// Attestations: what images and folders hold of them, what is kept out, and that it is what BuildKit says of the same build.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Project } from "../e2e/project.ts";
import { LayoutReader } from "./layout-reader.ts";
import { DockerPeer, withoutDocker } from "./peers.ts";
import { RegistryPeer, withoutRegistry } from "./registry-peer.ts";

const noRuntime =
  process.getuid?.() !== 0
    ? "needs root"
    : ["runc", "crun"].some((name) => spawnSync(name, ["--version"]).status === 0)
      ? false
      : "no runc or crun";

const SPDX = "https://spdx.dev/Document";
const SLSA = "https://slsa.dev/provenance/";
const ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json";

/** Lists the files that it sees, as an SPDX document a filesystem; tells its environment as a package's comment. */
const scanScript = `set -e
one() {
  printf '{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"%s","predicate":{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"%s","documentNamespace":"https://example.com/%s","creationInfo":{"created":"2020-01-01T00:00:00Z","creators":["Tool: scan-1"]},"packages":[{"SPDXID":"SPDXRef-P","name":"all","downloadLocation":"NOASSERTION","comment":"%s %s"}],"files":[' "\${TYPE:-${SPDX}}" $2 $2 "$BUILDKIT_SCAN_DEPTH" "$BUILDKIT_SCAN_SOURCE_EXTRAS" > $BUILDKIT_SCAN_DESTINATION/$2.spdx.json
  sep= i=0
  for f in $(cd $1 && find . -type f ! -path './bin/*' | sort | sed 's,^\\.,,'); do
    i=$((i+1))
    printf '%s{"SPDXID":"SPDXRef-File-%s","fileName":"%s","checksums":[{"algorithm":"SHA256","checksumValue":"%s"}]}' "$sep" $i $f $(sha256sum < $1$f | cut -d' ' -f1) >> $BUILDKIT_SCAN_DESTINATION/$2.spdx.json
    sep=,
  done
  printf ']}}' >> $BUILDKIT_SCAN_DESTINATION/$2.spdx.json
}
touch /tmp/writable
one $BUILDKIT_SCAN_SOURCE $(basename $BUILDKIT_SCAN_SOURCE)
[ -z "$BUILDKIT_SCAN_SOURCE_EXTRAS" ] || for d in $BUILDKIT_SCAN_SOURCE_EXTRAS/*; do one $d $(basename $d); done
`;
const base = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ENV PATH=/bin
`;
const app = (from: string) => `ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
FROM ${from} AS tool
ARG BUILDKIT_SBOM_SCAN_STAGE=true
RUN echo made > /made
FROM ${from}
ARG WHO=x
RUN --mount=type=secret,id=tok --mount=type=cache,target=/c echo $WHO > /who
COPY --from=tool /made /made
COPY --chmod=600 file /file
RUN --network=none rm /file && ln -s / /link
`;

interface Statement {
  readonly _type: string;
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
  readonly predicate: Record<string, unknown>;
}

interface Provenance {
  readonly buildDefinition: {
    readonly resolvedDependencies: readonly { readonly uri: string }[];
    readonly externalParameters: {
      readonly configSource: unknown;
      readonly request: { readonly args: unknown; readonly secrets: unknown; readonly locals: unknown };
    };
    readonly internalParameters: { readonly buildConfig: { readonly llbDefinition: readonly unknown[] } };
  };
  readonly runDetails: {
    readonly builder: { readonly id: string };
    readonly metadata: {
      readonly buildkit_completeness: unknown;
      readonly buildkit_metadata: { readonly layers: Readonly<Record<string, { digest: string }[][]>> };
    };
  };
}

/** A project with an image `base` and a scanner `scan` in its store. */
function prepare(project: Project): void {
  made(project, ["build", "-t", "base", project.context(base)]);
  const scanner = project.context('FROM base\nCOPY scan.sh /\nENTRYPOINT ["sh", "/scan.sh"]\n', {
    "scan.sh": scanScript,
  });
  made(project, ["build", "-t", "scan", scanner]);
}

function made(project: Project, argv: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const { code, output } = project.slipway(argv, env);
  assert.equal(code, 0, output);
  return output;
}

/** Statements of an image's first platform. */
function statementsOf(layout: LayoutReader, at = 0): Statement[] {
  const index = layout.manifest();
  const holders = index.manifests!.filter(({ platform }) => platform!.os === "unknown");
  return layout.manifest(holders[at]!.digest).layers.map(({ digest, annotations }) => {
    const statement = layout.json<Statement>(digest);
    assert.equal(annotations!["in-toto.io/predicate-type"], statement.predicateType);
    return statement;
  });
}

suite("attestations", { skip: noRuntime }, () => {
  const secret = { TOK: "the-secret-value" };

  test("an index holds provenance and SBOMs, tied to the image", () => {
    using project = new Project();
    prepare(project);
    const out = join(project.dir, "out");
    made(
      project,
      [
        ...["build", "--secret", "id=tok,env=TOK", "--build-arg", "WHO=me", "-t", "example.com/app:1", "-t", "other"],
        ...[
          "--build-arg",
          "PROXY=http://user:pass@proxy.example:1/",
          "--provenance=mode=max,builder-id=https://b.example",
        ],
        ...["--sbom=generator=scan,DEPTH=7", "-o", `type=oci,dest=${out},tar=false`],
        project.context(app("base"), { file: "hi\n" }),
      ],
      secret,
    );
    const layout = new LayoutReader(out);
    const index = layout.manifest();
    const [image, holder] = index.manifests as [(typeof index.manifests & {})[0], (typeof index.manifests & {})[0]];
    assert.equal(index.manifests!.length, 2);
    assert.deepEqual(holder.platform, { architecture: "unknown", os: "unknown" });
    assert.deepEqual(holder.annotations, {
      "vnd.docker.reference.digest": image.digest,
      "vnd.docker.reference.type": "attestation-manifest",
    });
    const manifest = layout.manifest(holder.digest);
    assert.equal(manifest.artifactType, ARTIFACT);
    assert.deepEqual(manifest.subject, { mediaType: image.mediaType, digest: image.digest, size: image.size });
    const statements = statementsOf(layout);
    assert.deepEqual(
      statements.map(({ predicateType, predicate }) => [predicateType, predicate["name"]]),
      [
        [SPDX, "sbom"],
        [SPDX, "sbom-context"],
        [SPDX, "sbom-tool"],
        [`${SLSA}v1`, undefined],
      ],
    );
    for (const { _type, subject } of statements) {
      assert.equal(_type, "https://in-toto.io/Statement/v1");
      const platform = encodeURIComponent(`linux/${image.platform!.architecture}`);
      assert.deepEqual(subject, [
        { name: `pkg:docker/example.com/app@1?platform=${platform}`, digest: { sha256: image.digest.slice(7) } },
        { name: `pkg:docker/other@latest?platform=${platform}`, digest: { sha256: image.digest.slice(7) } },
      ]);
    }

    const [sbom, context, tool, provenance] = statements as [Statement, Statement, Statement, Statement];
    const files = ({ predicate }: Statement) => predicate["files"] as { fileName: string; comment?: string }[];
    const { layers } = layout.manifest(image.digest);
    assert.deepEqual(
      files(sbom).map(({ fileName, comment }) => [fileName, comment]),
      [
        ["/made", `layerID: ${layers.at(-3)!.digest}`],
        ["/who", `layerID: ${layers.at(-4)!.digest}`],
      ],
    );
    assert.deepEqual((sbom.predicate["creationInfo"] as { creators: string[] }).creators, [
      "Tool: scan-1",
      "Tool: slipway-0.1.0",
    ]);
    assert.deepEqual((sbom.predicate["packages"] as { comment: string }[])[0]!.comment, "7 /run/src/extras");
    assert.deepEqual(
      files(context).map(({ fileName, comment }) => [fileName, comment]),
      [["/file", undefined]],
    );
    assert.deepEqual(
      files(tool).map(({ fileName }) => fileName),
      ["/made"],
    );

    const { buildDefinition, runDetails } = provenance.predicate as unknown as Provenance;
    assert.equal(runDetails.builder.id, "https://b.example");
    assert.deepEqual(
      buildDefinition.resolvedDependencies.map(({ uri }) => uri.replace(/\?.*/, "")),
      ["pkg:docker/base@latest", "pkg:docker/scan@latest"],
    );
    const { request, configSource } = buildDefinition.externalParameters;
    assert.deepEqual(configSource, { path: "Dockerfile" });
    assert.deepEqual(request.args, {
      "build-arg:PROXY": "http://xxxxx@proxy.example:1/",
      "build-arg:WHO": "me",
    });
    assert.deepEqual(request.secrets, [{ id: "tok", optional: true }]);
    assert.deepEqual(request.locals, [{ name: "context" }, { name: "dockerfile" }]);
    assert.deepEqual(runDetails.metadata.buildkit_completeness, { request: true, resolvedDependencies: false });
    assert.ok(buildDefinition.internalParameters.buildConfig.llbDefinition.length > 5);
    const steps = Object.values(runDetails.metadata.buildkit_metadata.layers);
    assert.ok(steps.some(([all]) => all!.at(-1)!.digest === layers.at(-1)!.digest));
    assert.doesNotMatch(JSON.stringify(statements), /the-secret-value|user:pass/);
  });

  test("mode min has neither arguments nor steps; version and form as asked; several platforms", () => {
    using project = new Project();
    const out = join(project.dir, "out");
    const context = project.context("FROM scratch\nARG WHO\nCOPY busybox /\n");
    made(project, [
      ...["build", "--platform=linux/amd64,linux/arm64", "--build-arg", "WHO=secretly", "--label", "l=v"],
      ...[
        "--attest",
        "type=provenance,mode=min,version=v0.2",
        "-o",
        `type=oci,dest=${out},tar=false,oci-artifact=false`,
      ],
      context,
    ]);
    const layout = new LayoutReader(out);
    const { manifests } = layout.manifest();
    assert.deepEqual(
      manifests!.map(({ platform }) => `${platform!.os}/${platform!.architecture}`),
      ["linux/amd64", "linux/arm64", "unknown/unknown", "unknown/unknown"],
    );
    const holder = layout.manifest(manifests![3]!.digest);
    assert.deepEqual([holder.artifactType, holder.subject], [undefined, undefined]);
    assert.equal(holder.config.mediaType, "application/vnd.oci.image.config.v1+json");
    assert.deepEqual(layout.json(holder.config.digest), {
      architecture: "unknown",
      os: "unknown",
      config: {},
      rootfs: { type: "layers", diff_ids: holder.layers.map(({ digest }) => digest) },
    });
    const [{ predicate, predicateType }] = statementsOf(layout, 1) as [Statement];
    assert.equal(predicateType, `${SLSA}v0.2`);
    assert.deepEqual((predicate["invocation"] as { parameters: unknown }).parameters, {
      frontend: "dockerfile.v0",
      locals: [{ name: "context" }, { name: "dockerfile" }],
      compatibilityVersion: 30,
    });
    assert.equal(predicate["buildConfig"], undefined);
    assert.doesNotMatch(JSON.stringify(predicate), /secretly/);
  });

  test("on by itself where an image can hold it, off where files or a layout were asked for", () => {
    using project = new Project();
    const context = project.context("FROM scratch\nCOPY busybox /\n");
    made(project, ["build", "-t", "kept", context]);
    const kept = JSON.parse(project.slipway(["inspect", "kept"]).output) as [{ Descriptor: { mediaType: string } }];
    assert.match(kept[0].Descriptor.mediaType, /index/);
    made(project, ["build", "-t", "bare", context], { BUILDX_NO_DEFAULT_ATTESTATIONS: "1" });
    const bare = JSON.parse(project.slipway(["inspect", "bare"]).output) as [{ Descriptor: { mediaType: string } }];
    assert.match(bare[0].Descriptor.mediaType, /manifest/);
    const out = join(project.dir, "oci");
    made(project, ["build", "-o", `type=oci,dest=${out},tar=false`, context]);
    assert.equal(new LayoutReader(out).manifest().manifests, undefined);
    const folder = join(project.dir, "folder");
    made(project, ["build", "-o", folder, context]);
    assert.deepEqual(readdirSync(folder), ["busybox"]);
    // Nobody asked: what docker's media types can't hold is left out, and is an error only where it was asked for.
    made(project, ["build", "-t", "old", "-o", "type=image,oci-mediatypes=false", context]);
    const asked = project.slipway([
      "build",
      "--provenance=true",
      "-t",
      "old",
      "-o",
      "type=image,oci-mediatypes=false",
      context,
    ]);
    assert.match(asked.output, /cannot export attestations with "oci-mediatypes=false"/);
    const docker = project.slipway(["build", "--provenance=true", "-o", `type=docker,dest=${folder}.tar`, context]);
    assert.match(docker.output, /docker exporter does not currently support exporting manifest lists/);
    // An image kept with its attestations is a base like any other.
    made(project, ["build", "-t", "child", project.context("FROM kept\nCOPY Dockerfile /\n")]);
  });

  test("folders and tars get files, each about every file beside it", () => {
    using project = new Project();
    prepare(project);
    const context = project.context("FROM scratch\nCOPY file sub/file2 /x/\n", { file: "1\n", "sub/file2": "2\n" });
    const args = ["build", "--provenance=mode=min", "--sbom=generator=scan", "--build-arg", "SOURCE_DATE_EPOCH=1000"];
    const out = join(project.dir, "out");
    made(project, [...args, "-o", `type=local,dest=${out},attestation-prefix=a-`, context]);
    assert.deepEqual(readdirSync(out).toSorted(), ["a-provenance.json", "a-sbom.spdx.json", "x"]);
    const file = join(out, "a-provenance.json");
    assert.deepEqual([statSync(file).mode & 0o777, statSync(file).mtimeMs], [0o600, 1_000_000]);
    const { subject, predicateType } = JSON.parse(readFileSync(file, "utf8")) as Statement;
    assert.equal(predicateType, `${SLSA}v1`);
    const sums = execFileSync("sha256sum", ["x/file", "x/file2"], { cwd: out, encoding: "utf8" }).trim().split("\n");
    assert.deepEqual(
      subject.map(({ name, digest }) => `${digest["sha256"]}  ${name}`),
      sums,
    );
    const sbom = JSON.parse(readFileSync(join(out, "a-sbom.spdx.json"), "utf8")) as Statement;
    assert.deepEqual(sbom.subject, subject);

    // mode=delete takes away what was there, and leaves what it writes.
    made(project, [...args, "-o", `type=local,dest=${out},mode=delete`, context], {});
    assert.deepEqual(readdirSync(out).toSorted(), ["provenance.json", "sbom.spdx.json", "x"]);
    const both = "--platform=linux/amd64,linux/arm64";
    const plain = ["build", "--provenance=mode=min", both];
    const tar = join(project.dir, "out.tar");
    made(project, [...plain, "-o", `type=tar,dest=${tar}`, context]);
    const names = execFileSync("tar", ["-tf", tar], { encoding: "utf8" }).split("\n");
    for (const name of ["linux_amd64/provenance.json", "linux_arm64/provenance.json"])
      assert.ok(names.includes(name), names.join());
    const flat = join(project.dir, "flat");
    const flatContext = project.context("FROM scratch\nARG TARGETARCH\nCOPY file /x/$TARGETARCH\n", { file: "1\n" });
    made(project, [...plain, "-o", `type=local,dest=${flat},platform-split=false`, flatContext]);
    assert.deepEqual(readdirSync(flat).toSorted(), ["provenance.linux_amd64.json", "provenance.linux_arm64.json", "x"]);
  });

  test("what is wrong is said before anything is built, or names the scanner's file", () => {
    using project = new Project();
    prepare(project);
    const context = project.context("FROM scratch\nCOPY busybox /\n");
    const rows: [readonly string[], RegExp][] = [
      [["--attest=type=vex"], /unknown attestation type "vex"/],
      [["--provenance=mode=most"], /invalid mode "most"/],
      [["--provenance=version=v2"], /invalid provenance SLSA version: v2/],
      [["--provenance=reproducible=perhaps"], /failed to parse reproducible flag "perhaps"/],
      [["--sbom=generator="], /sbom generator cannot be empty/],
      [["--sbom=generator=base"], /scanner docker.io\/library\/base:latest does not have cmd/],
      [
        ["--provenance=complete-materials=true"],
        /provenance materials are incomplete[\s\S]*- context\n {4}reason: local_source/,
      ],
    ];
    for (const [args, message] of rows) {
      const { code, output } = project.slipway(["build", ...args, "-o", "type=oci,dest=x.tar", context]);
      assert.equal(code, 1, output);
      assert.match(output, message);
      assert.equal(existsSync(join(project.dir, "x.tar")), false);
    }
    const bad = (script: string, name: string) => {
      const scanner = project.context('FROM base\nCOPY s /\nENTRYPOINT ["sh", "/s"]\n', {
        s: `cd $BUILDKIT_SCAN_DESTINATION\n${script}\n`,
      });
      made(project, ["build", "-t", name, scanner]);
      const { code, output } = project.slipway([
        "build",
        `--sbom=generator=${name}`,
        "-o",
        "type=oci,dest=x.tar",
        context,
      ]);
      assert.equal(code, 1, output);
      return output;
    };
    assert.match(bad("ln -s /etc/passwd a.json", "one"), /attestation "a.json": it is not a regular file/);
    assert.match(bad("mkfifo a.json", "two"), /attestation "a.json": it is not a regular file/);
    assert.match(bad("echo '{' > a.json", "three"), /attestation "a.json": cannot decode in-toto statement/);
    assert.match(
      bad(`echo '{"predicateType":"${SLSA}v1","predicate":{}}' > a.json`, "four"),
      /frontend may not bundle provenance attestations/,
    );
    assert.match(
      bad(`echo '{"predicateType":"x","predicate":{}}' > a.json`, "five"),
      /does not match required predicate type/,
    );
    assert.match(bad("exit 3", "six"), /exit code: 3/);
  });

  test("bake targets attest as they say", () => {
    using project = new Project();
    const context = project.context("FROM scratch\nCOPY busybox /\n", {
      "docker-bake.hcl": `target "default" {
  attest = ["type=provenance,mode=max"]
  output = ["type=oci,dest=${join(project.dir, "baked")},tar=false"]
}
`,
    });
    made(project, [
      "bake",
      "--allow=fs=*",
      "-f",
      join(context, "docker-bake.hcl"),
      "--set",
      `default.context=${context}`,
    ]);
    const [{ predicateType, predicate }] = statementsOf(new LayoutReader(join(project.dir, "baked"))) as [Statement];
    assert.equal(predicateType, `${SLSA}v1`);
    assert.ok("buildDefinition" in predicate);
  });

  test(
    "Docker's BuildKit says the same of the same build",
    { skip: withoutDocker() || withoutRegistry() },
    async () => {
      using project = new Project();
      prepare(project);
      await using registry = await RegistryPeer.start(join(project.dir, "registry"));
      const names = { base: `${registry.host}/base:1`, scan: `${registry.host}/scan:1` };
      for (const [name, full] of Object.entries(names))
        made(project, ["build", "--push", "--provenance=false", "-t", full, project.context(`FROM ${name}\n`)]);
      const args = [
        ...["--secret", "id=tok,env=TOK", "--build-arg", "WHO=me", "--label", "l=v", "-t", "example.com/app:1"],
        ...[`--sbom=generator=${names.scan}`, "--provenance=mode=max,version=v0.2"],
        project.context(app(names.base), { file: "hi\n" }),
      ];
      const ours = join(project.dir, "ours");
      const store = join(project.dir, "fresh");
      const output = `type=oci,dest=${ours},tar=false,oci-artifact=false`;
      made(project, ["--root", store, "build", "-o", output, ...args], secret);
      const tar = join(project.dir, "theirs.tar");
      await using docker = await DockerPeer.start(registry.host);
      process.env["TOK"] = secret.TOK;
      await docker.buildx(["build", "-o", `type=oci,dest=${tar}`, ...args]);
      const theirs = join(project.dir, "theirs");
      mkdirSync(theirs);
      execFileSync("tar", ["-xf", tar, "-C", theirs]);
      const [a, b] = [ours, theirs].map((dir) => new LayoutReader(dir)) as [LayoutReader, LayoutReader];
      const shape = (layout: LayoutReader) => {
        const index = layout.manifest();
        const holder = layout.manifest(index.manifests![1]!.digest);
        const strip = (each: { digest: string; size: number }) => ({ ...each, digest: "", size: 0 });
        return {
          index: {
            ...index,
            manifests: index.manifests!.map((each) => ({
              ...strip(each),
              annotations: Object.keys(each.annotations ?? {}).toSorted(),
            })),
          },
          holder: { ...holder, config: strip(holder.config), layers: holder.layers.map(strip) },
        };
      };
      assert.deepEqual(shape(a), shape(b));
      const [left, right] = [statementsOf(a), statementsOf(b)];
      assert.deepEqual(comparable(left.at(-1)!), comparable(right.at(-1)!));
      for (const at of [0, 1, 2])
        assert.deepEqual(filesOf(left[at]!), filesOf(right[at]!), "SBOMs name the same files, in the same layers");

      function filesOf({ predicate, predicateType }: Statement): unknown {
        const files = predicate["files"] as { fileName: string; comment?: string; checksums: unknown }[];
        return [
          predicateType,
          predicate["name"],
          files.map(({ fileName, comment, checksums }) => [
            fileName,
            comment === undefined || comment === "" ? "" : "layerID",
            checksums,
          ]),
        ];
      }
    },
  );
});

/** A provenance statement without what differs from build to build, and from BuildKit 0.25 to the BuildKit that ours follows. */
function comparable(statement: Statement): unknown {
  const whole = { ...statement, _type: "", subject: statement.subject.map(({ name }) => name) };
  const text = JSON.stringify(whole, (key, value: unknown) =>
    key === "digestMapping" ? Object.values(value as Record<string, string>).toSorted() : value,
  )
    // Session keys are part of ops; layers are compressed by each in its own way.
    .replace(/sha256:[0-9a-f]{64}/g, "DIGEST")
    .replace(/("digest":"DIGEST","size":)\d+/g, "$10")
    .replace(/"(buildInvocationID|buildStartedOn|buildFinishedOn)":"[^"]*"/g, '"$1":""')
    .replaceAll("127.0.0.1%3A", "127.0.0.1:")
    .replace(/(\/scan@1)\?platform=[^"]*/g, "$1")
    // 0.25 prefers the local store for images that it has just resolved.
    .replace(/,"attrs":\{"image.resolvemode":"local"\}/g, "")
    .replace(',"compatibilityVersion":30', "");
  return JSON.parse(text) as unknown;
}
