import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { run } from "./test-shell.ts";

suite("the command line", () => {
  test("nothing, --help and help list the verbs", async () => {
    const bare = await run([]);
    assert.equal(bare.code, 0);
    assert.match(bare.stdout, /^Usage: {2}slipway \[OPTIONS\] COMMAND\n\nBuild container images/);
    for (const verb of ["build", "images", "inspect", "rmi", "du", "prune", "version"])
      assert.match(bare.stdout, new RegExp(`\n  ${verb} +\\S`));
    assert.equal((await run(["--help"])).stdout, bare.stdout);
    assert.equal((await run(["help"])).stdout, bare.stdout);
  });

  test("help of a verb, by flag and by name and alias", async () => {
    const help = await run(["prune", "--help"]);
    assert.equal(
      help.stdout,
      `Usage:  slipway prune [OPTIONS]

Remove build cache

Examples:
  # Remove what no image or running build needs
  slipway prune -f

  # Keep 20 GB of what was used in the last week
  slipway prune -f --reserved-space 20GB --filter until=168h

Options:
  -a, --all                    Include internal/frontend images
      --builder string         Override the configured builder instance
                               ("embedded" is the one in this process)
  -D, --debug                  Enable debug logging
      --filter filter          Provide filter values (e.g., "until=24h",
                               "type=source.local")
  -f, --force                  Do not prompt for confirmation
      --max-used-space bytes   Maximum amount of disk space allowed to keep for
                               cache
      --min-free-space bytes   Target amount of free disk space after pruning
      --reserved-space bytes   Amount of disk space always allowed to keep for
                               cache
      --root string            Directory of all state (default: $SLIPWAY_ROOT,
                               else /var/lib/slipway for root, else
                               $XDG_DATA_HOME/slipway)
      --verbose                Provide a more verbose output
`,
    );
    assert.equal((await run(["help", "prune"])).stdout, help.stdout);
    const build = (await run(["b", "--help"])).stdout;
    assert.match(build, /^Usage: {2}slipway build \[OPTIONS\] PATH \| URL \| -\n\nStart a build\n/);
    assert.match(build, /Aliases:\n {2}slipway build, slipway b\n/);
    assert.match(build, /\(default\s+"auto"\)/);
    assert.doesNotMatch(build, /--squash|--cpu-shares/);
  });

  test("wrong words end with exit code 1 and a way out", async () => {
    const rows: [readonly string[], string][] = [
      [
        ["biuld"],
        "slipway: unknown command: slipway biuld\n\nDid you mean 'slipway build'?\n\nRun 'slipway --help' for more information\n",
      ],
      [["zzz"], "slipway: unknown command: slipway zzz\n\nRun 'slipway --help' for more information\n"],
      [["help", "zzz"], "slipway: unknown command: slipway zzz\n\nRun 'slipway --help' for more information\n"],
      [["--nope"], "unknown flag: --nope\n\nRun 'slipway --help' for more information\n"],
      [
        ["build", "--tagg", "x", "."],
        "unknown flag: --tagg\n\nDid you mean --tag?\n\nUsage:  slipway build [OPTIONS] PATH | URL | -\n\nRun 'slipway build --help' for more information\n",
      ],
      [
        ["build"],
        "ERROR: slipway: 'slipway build' requires 1 argument\n\nUsage:  slipway build [OPTIONS] PATH | URL | -\n\nRun 'slipway build --help' for more information\n",
      ],
      [
        ["du", "x"],
        "ERROR: slipway: 'slipway du' accepts no arguments\n\nUsage:  slipway du [OPTIONS]\n\nRun 'slipway du --help' for more information\n",
      ],
      [
        ["rmi"],
        "ERROR: slipway: 'slipway rmi' requires at least 1 argument\n\nUsage:  slipway rmi [OPTIONS] IMAGE [IMAGE...]\n\nRun 'slipway rmi --help' for more information\n",
      ],
    ];
    for (const [argv, stderr] of rows) {
      const { code, ...found } = await run(argv);
      assert.deepEqual([code, found.stdout, found.stderr], [1, "", stderr], argv.join(" "));
    }
  });

  test("the state directory: flag before or after the verb, environment", async () => {
    assert.equal((await run(["--root", "/a", "images"])).opened[0]?.root, "/a");
    assert.equal((await run(["images", "--root=b"], { cwd: "/w" })).opened[0]?.root, "/w/b");
    assert.equal((await run(["images"], { env: { SLIPWAY_ROOT: "/c" } })).opened[0]?.root, "/c");
    if (process.getuid?.() === 0) assert.equal((await run(["images"])).opened[0]?.root, "/var/lib/slipway");
  });

  test("version", async () => {
    assert.match((await run(["version"])).stdout, /^slipway \d+\.\d+\.\d+ \(Node\.js v\d+/);
    assert.equal((await run(["--version"])).stdout, (await run(["version"])).stdout);
  });
});

suite("verbs about what is kept", () => {
  test("images", async () => {
    assert.equal(
      (await run(["images"])).stdout,
      "NAME           DIGEST         CREATED              SIZE      PLATFORMS\nhello:latest   abababababab   About a minute ago   4.32MB    linux/amd64\n",
    );
    assert.equal((await run(["images", "-q"])).stdout, "abababababab\n");
    assert.equal((await run(["images", "--format", "{{.Name}} {{.Size}}"])).stdout, "hello:latest 4.32MB\n");
    assert.deepEqual(Object.keys(JSON.parse((await run(["images", "--format=json"])).stdout) as object), [
      "CreatedAt",
      "CreatedSince",
      "Digest",
      "MediaType",
      "Name",
      "Platforms",
      "Size",
    ]);
  });

  test("inspect", async () => {
    const [image] = JSON.parse((await run(["inspect", "hello"])).stdout) as Record<string, unknown>[];
    assert.deepEqual(image?.["Config"], { Env: ["PATH=/bin"] });
    assert.deepEqual(image?.["RootFS"], { Type: "layers", Layers: ["sha256:l"] });
    assert.deepEqual(image?.["RepoTags"], ["hello:latest"]);
    assert.equal(
      (await run(["inspect", "-f", "{{.Architecture}} {{json .Config.Env}}", "hello"])).stdout,
      'amd64 ["PATH=/bin"]\n',
    );
    const missing = await run(["inspect", "nope"]);
    assert.deepEqual(
      [missing.code, missing.stderr],
      [1, "ERROR: image nope not found\nhint: slipway images lists them\n"],
    );
    assert.equal((await run(["inspect", "--platform", "linux/arm64", "hello"])).code, 1);
  });

  test("rmi goes on after a name that is not there", async () => {
    const { code, stdout, stderr } = await run(["rmi", "nope", "hello"]);
    assert.equal(code, 1);
    assert.equal(stdout, `Untagged: hello:latest\nDeleted: sha256:${"ab".repeat(32)}\n`);
    assert.match(stderr, /^ERROR: image nope not found\n/);
    assert.equal((await run(["rmi", "-f", "nope"])).code, 0);
  });

  test("du", async () => {
    assert.equal(
      (await run(["du"])).stdout,
      `ID        RECLAIMABLE   SIZE      LAST ACCESSED
abc       true          1.5MB     3 hours ago
def*      false         500B*     3 hours ago
Shared:\t\t500B
Private:\t1.5MB
Reclaimable:\t1.5MB
Total:\t\t1.5MB
`,
    );
    assert.match(
      (await run(["du", "--verbose"])).stdout,
      /^ID: {11}abc\nParents:\n - base\nCreated at: {3}2026-01-01 22:00:00 \+0000 UTC\nMutable: {6}false\n/,
    );
    assert.equal((await run(["du", "--format={{.ID}}"])).stdout, "abc\ndef\n");
    assert.doesNotMatch((await run(["du", "--filter", "type=regular"])).stdout, /Total/);
    assert.match((await run(["du", "--filter", "until=x"])).stderr, /^ERROR: "until" filter expects a duration/);
  });

  test("prune asks first, passes its limits on and sums up", async () => {
    const refused = await run(["prune"], { stdin: "n\n" });
    assert.deepEqual(
      [refused.code, refused.builder.pruned, refused.stdout],
      [0, [], "WARNING! This will remove all dangling build cache. Are you sure you want to continue? [y/N] "],
    );
    assert.deepEqual((await run(["prune"])).builder.pruned, []);
    const agreed = await run(
      ["prune", "-a", "--keep-storage", "1GB", "--filter", "until=1h", "--filter", "type=regular"],
      { stdin: "y\n" },
    );
    assert.deepEqual(agreed.builder.pruned, [
      { filters: ["type=regular"], all: true, keepDurationMs: 3_600_000, reservedBytes: 2 ** 30 },
    ]);
    assert.match(
      agreed.stderr,
      /Flag --keep-storage has been deprecated, keep-storage flag has been changed to reserved-space/,
    );
    const forced = await run(["prune", "-f"]);
    assert.match(forced.stdout, /^ID\t+RECLAIMABLE\tSIZE\t+LAST ACCESSED\nabc +\t/);
    assert.match(forced.stdout, /\nTotal:\t1\.5MB\n$/);
    assert.equal(forced.builder.closed, true);
  });
});
