import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { engineWorkerEntry } from "../ports/index.ts";
import { getXattr, setTimes, setXattr } from "../../system/linux/index.ts";
import { type RunOptions, WorkerPool } from "../../system/workers/index.ts";
import { type CopyAction, type FileActionsInput, runFileActions } from "./file-actions.ts";
import { runInWorkers } from "./file-jobs.ts";

const dir = fs.mkdtempSync(join(tmpdir(), "slipway-filejobs-"));
after(() => fs.rmSync(dir, { recursive: true, force: true }));
const isRoot = process.geteuid?.() === 0;
const source = join(dir, "source");

function makeSource(): void {
  for (let folder = 0; folder < 5; folder++) {
    fs.mkdirSync(join(source, `d${folder}/deep`), { recursive: true });
    for (let at = 0; at < 900; at++) fs.writeFileSync(join(source, `d${folder}/f${at}`), `${folder}/${at}`);
    fs.writeFileSync(join(source, `d${folder}/deep/skip.log`), "no");
    fs.chmodSync(join(source, `d${folder}`), 0o500 + folder);
    fs.utimesSync(join(source, `d${folder}`), 1_000_000, 1_000_000 + folder);
  }
  for (let at = 0; at < 20; at++) fs.writeFileSync(join(source, `top${at}`), "t", { mode: 0o640 });
  fs.chownSync(join(source, "d1/f7"), 1000, 1001);
  fs.chmodSync(join(source, "d1/f8"), 0o4755);
  fs.linkSync(join(source, "d0/f1"), join(source, "d4/one-more-name"));
  fs.linkSync(join(source, "top3"), join(source, "d2/deep/name-of-top3"));
  fs.symlinkSync("../top1", join(source, "d3/link"));
  fs.writeFileSync(join(source, "d3/empty"), "");
  fs.writeFileSync(join(source, "d3/large"), Buffer.alloc(300_000, "large"));
  fs.writeFileSync(Buffer.from(`${source}/d3/\xff\xe4 name`, "latin1"), "bytes");
  fs.writeFileSync(join(source, "d3/attributes"), "with");
  setXattr(join(source, "d3/attributes"), "user.known", Buffer.from("kept"));
  setTimes(join(source, "d3/f4"), 5n, -1_234_567_891n);
  execFileSync("mkfifo", [join(source, "d3/fifo")]);
}

const COPY: CopyAction = {
  kind: "copy",
  source: 0,
  src: "/",
  dest: "/app/",
  dirCopyContents: true,
  createDestPath: true,
  excludePatterns: ["**/*.log"],
};

/** Everything that a copy is to keep, by path; files with more names by the names. */
function listed(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const names = new Map<bigint, string[]>();
  for (const path of fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    // A name that is no UTF-8.
    if (path.includes("\ufffd")) {
      found[path] = "there";
      continue;
    }
    const stat = fs.lstatSync(join(root, path), { bigint: true });
    const content = stat.isFile() ? fs.readFileSync(join(root, path), "utf8") : "";
    const link = stat.isSymbolicLink() ? fs.readlinkSync(join(root, path)) : "";
    const time = stat.isDirectory() && path === "app" ? "" : String(stat.mtimeNs);
    const known = getXattr(join(root, path), "user.known")?.toString() ?? "";
    found[path] = [stat.mode.toString(8), stat.uid, stat.gid, time, content, link, known].join(" ");
    if (stat.isFile() && stat.nlink > 1n) names.set(stat.ino, [...(names.get(stat.ino) ?? []), path]);
  }
  found["names"] = JSON.stringify([...names.values()].toSorted());
  return found;
}

function inputFor(name: string, action: Partial<CopyAction> = {}): FileActionsInput {
  const destRoot = join(dir, name);
  fs.mkdirSync(destRoot);
  return { destRoot, actions: [{ ...COPY, ...action }], sources: [{ root: source }] };
}

void test(
  "many files copied by several workers are what one makes of them",
  { skip: isRoot ? false : "only root shares a copy" },
  async () => {
    makeSource();
    await using workers = new WorkerPool({ entry: engineWorkerEntry(), size: 3 });
    const { signal } = new AbortController();
    const actions: Partial<CopyAction>[] = [
      {},
      { dest: "/" },
      {
        owner: { user: { kind: "id", id: 5 }, group: { kind: "id", id: 6 } },
        timestampNs: 7_000_000_000n,
        mode: 0o750,
      },
      { src: "/d*", dest: "/app/", allowWildcard: true, dirCopyContents: false },
      { includePatterns: ["d1", "d2/f*", "top*"] },
    ];
    for (const [at, action] of actions.entries()) {
      const alone = inputFor(`alone${at}`, action);
      await runFileActions(alone);
      const shared = inputFor(`shared${at}`, action);
      await runInWorkers(workers, shared, signal);
      assert.deepEqual(listed(shared.destRoot), listed(alone.destRoot), `action ${at}`);
    }
    const onto = inputFor("onto");
    fs.mkdirSync(join(onto.destRoot, "app/d0"), { recursive: true });
    fs.writeFileSync(join(onto.destRoot, "app/d0/f1"), "there before");
    await runInWorkers(workers, onto, signal);
    assert.equal(fs.readFileSync(join(onto.destRoot, "app/d0/f1"), "utf8"), "0/1");
  },
);

void test(
  "an error of one worker ends all and keeps its words; aborting too",
  { skip: isRoot ? false : "only root shares a copy" },
  async () => {
    await using workers = new WorkerPool({ entry: engineWorkerEntry(), size: 3 });
    const controller = new AbortController();
    const full = inputFor("aborted");
    const running = runInWorkers(workers, full, controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(running, /enough/);
    const meddling = {
      size: workers.size,
      run: <I, O>(job: string, input: I, options: RunOptions) => {
        if (job === "copyPart") fs.rmSync(join(source, "d0/f5"), { force: true });
        return workers.run<I, O>(job, input, options);
      },
    };
    await assert.rejects(runInWorkers(meddling, inputFor("vanished"), new AbortController().signal), {
      message: "lstat /d0/f5: no such file or directory",
    });
    await assert.rejects(
      runInWorkers(workers, inputFor("missing", { src: "/nothing" }), new AbortController().signal),
      {
        message: "lstat /nothing: no such file or directory",
      },
    );
  },
);
