// Random histories of changes, seen four ways: as the program left the tree, as an overlay view, as a copy view, and as blobs
// unpacked one by one and settled. All must be the same tree.

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  directJobs,
  LayerStack,
  openSnapshotter,
  packLayer,
  settleLayer,
  unpackLayer,
  type Snapshotter,
} from "./index.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-equal-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
let count = 0;

const NAMES = ["a", "b", "c"];
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const change = fc.oneof(
  fc.record({ kind: fc.constant("write"), path, text: fc.string({ maxLength: 3 }) }),
  fc.record({ kind: fc.constant("mkdir"), path, mode: fc.constantFrom(0o755, 0o700, 0o1777) }),
  fc.record({ kind: fc.constant("remove"), path }),
  fc.record({ kind: fc.constant("rename"), path, to: path }),
  fc.record({ kind: fc.constant("symlink"), path, to: path }),
  fc.record({ kind: fc.constant("link"), path, to: path }),
  fc.record({ kind: fc.constant("chmod"), path, mode: fc.constantFrom(0o600, 0o640, 0o751) }),
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(root: string, step: Change): void {
  const at = join(root, step.path);
  const values = step as { to?: string; text?: string; mode?: number };
  try {
    if (fs.realpathSync(join(at, "..")) !== join(at, "..")) return;
    switch (step.kind) {
      case "write":
        if (!fs.lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) fs.writeFileSync(at, values.text!);
        break;
      case "mkdir":
        fs.mkdirSync(at);
        fs.chmodSync(at, values.mode!);
        break;
      case "remove":
        fs.rmSync(at, { recursive: true });
        break;
      case "rename": {
        const to = join(root, values.to!);
        if (fs.realpathSync(join(to, "..")) !== join(to, "..")) return;
        fs.renameSync(at, to);
        break;
      }
      case "symlink":
        fs.symlinkSync(values.to!, at);
        break;
      case "link":
        fs.linkSync(at, join(root, values.to!));
        break;
      case "chmod":
        if (!fs.lstatSync(at).isSymbolicLink()) fs.chmodSync(at, values.mode!);
        break;
    }
  } catch (error) {
    // Many random steps are impossible; overlayfs also refuses to move merged folders (EXDEV).
    assert.match(String((error as NodeJS.ErrnoException).code), /^E/);
  }
}

function describe(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    const full = join(root, name);
    const stat = fs.lstatSync(full);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[name] = `-> ${fs.readlinkSync(full)}`;
    else
      found[name] = stat.isDirectory()
        ? `dir ${mode}`
        : `file ${mode} ${Math.floor(stat.mtimeMs / 1000)} ${fs.readFileSync(full, "utf8")}`;
  }
  return found;
}

function exists(path: string): boolean {
  try {
    return fs.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}

async function build(
  snapshotter: Snapshotter,
  layers: readonly Change[][],
): Promise<{ ids: string[]; left: Record<string, string> }> {
  const ids: string[] = [];
  let left: Record<string, string> = {};
  for (const steps of layers) {
    await using active = await snapshotter.prepare(ids);
    for (const step of steps) apply(active.path, step);
    left = describe(active.path);
    ids.push((await snapshotter.commit(active)).layer);
  }
  return { ids, left };
}

for (const kind of ["overlay", "copy"] as const) {
  void test(`${kind}: views and unpacked blobs equal what was left`, async (t) => {
    const base = join(dir, kind);
    const options = { root: join(base, "s"), runDir: join(base, "run"), processId: "p", jobs: directJobs() };
    if (kind === "overlay" && (await openSnapshotter(options)).kind !== "overlay") {
      t.skip("overlays cannot be mounted here");
      return;
    }
    await using snapshotter = await openSnapshotter({ ...options, kind });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(change, { maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        async (layers) => {
          const { ids, left } = await build(snapshotter, layers);
          {
            await using view = await snapshotter.view(ids);
            assert.deepEqual(describe(view.path), left);
            const stack = new LayerStack(ids.map((id) => snapshotter.fsDir(id)));
            for (const name of Object.keys(left)) assert.ok(stack.lookup(name), name);
            for (const first of NAMES) {
              for (const second of NAMES) {
                const name = `${first}/${second}`;
                assert.equal(stack.lookup(name) !== undefined, exists(join(view.path, name)), name);
              }
            }
          }
          const unpacked: string[] = [];
          for (const id of ids) {
            const blobPath = join(dir, `blob${count++}`);
            await packLayer({ fsDir: snapshotter.fsDir(id), output: blobPath, compression: "none" });
            await using staged = await snapshotter.stage();
            const found = await unpackLayer({ blobPath, fsDir: staged.fsDir });
            settleLayer({ fsDir: staged.fsDir, ...found, lowerDirs: unpacked.map((each) => snapshotter.fsDir(each)) });
            const copy = `copy-${count++}`;
            await staged.commit(copy);
            unpacked.push(copy);
          }
          await using again = await snapshotter.view(unpacked);
          assert.deepEqual(describe(again.path), left);
        },
      ),
      { numRuns: 60 },
    );
  });
}
