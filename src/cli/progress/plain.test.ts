import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { control } from "../../formats/proto/index.ts";
import { createDisplay } from "./display.ts";
import { collector, latestMs, log, messagesOf, status, TestClock, vertex, warning } from "./test-messages.ts";

const sample = readFileSync(join(import.meta.dirname, "testdata/rawjson.txt"), "utf8");

/** What the plain display prints when each message comes at its own latest time. */
function plain(messages: readonly control.StatusResponse[], { cancelAfter }: { cancelAfter?: number } = {}): string {
  const clock = new TestClock();
  const out = collector();
  const display = createDisplay("plain", { out, isTTY: false, env: {}, clock });
  clock.moveTo(messages.map(latestMs).find((ms) => ms !== undefined)! - 1);
  messages.forEach((message, i) => {
    clock.moveTo(latestMs(message) ?? clock.nowMs());
    display.update(message);
    if (i === cancelAfter) display.cancel("canceling…");
  });
  display.finish();
  display.finish();
  return out.text();
}

test("the plain display of a recorded build", () => {
  assert.equal(
    plain(messagesOf(sample)),
    `#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 379B done
#1 DONE 0.0s

#2 [internal] load metadata for localhost:5100/busybox:1.35
#2 DONE 0.0s

#3 [internal] load .dockerignore
#3 transferring context: 2B done
#3 DONE 0.0s

#4 [base 1/2] FROM localhost:5100/busybox:1.35@sha256:328930d7a8743a0398be72a76c390b6cf77c839a1c7c92229c40298bd62748c8
#4 resolve localhost:5100/busybox:1.35@sha256:328930d7a8743a0398be72a76c390b6cf77c839a1c7c92229c40298bd62748c8 done
#4 CACHED

#5 [internal] load build context
#5 transferring context: 26B done
#5 DONE 0.0s

#6 [base 2/2] RUN echo base > /base
#6 DONE 0.1s

#7 [left 1/2] COPY a.txt /src/
#7 DONE 0.0s

#8 [left 2/2] RUN cat /src/a.txt > /left
#8 DONE 0.1s

#9 [right 1/1] RUN --network=none seq 1 1000 > /right
#9 DONE 0.1s

#10 [stage-4 2/4] COPY --from=left /left /out/
#10 DONE 0.0s

#11 [stage-4 3/4] COPY --from=right /right /out/
#11 DONE 0.0s

#12 [stage-4 4/4] RUN cat /out/* | wc -c > /count
#12 DONE 0.1s
`,
  );
});

suite("the plain display", () => {
  test("a failed step ends with its last lines between rules; lines keep their bytes and times", () => {
    const error = "process did not complete successfully: exit code: 1";
    assert.equal(
      plain([
        vertex("run RUN fail", { started: 0 }),
        log("run", 0.064, "about to"),
        log("run", 0.065, " fail\nsecond\n"),
        log("run", 12.5, "late, é\n"),
        log("run", 120.24, "no newline"),
        vertex("run RUN fail", { started: 0, completed: 121, error }),
      ]),
      `#1 run RUN fail
#1 0.064 about to fail
#1 0.065 second
#1 12.50 late, é
#1 120.2 no newline
#1 ERROR: ${error}
------
 > run RUN fail:
0.064 about to fail
0.065 second
12.50 late, é
120.2 no newline
------
`,
    );
  });

  test("only the last ten lines are repeated, but every line is printed once", () => {
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i}\n`);
    const out = plain([
      vertex("run", { started: 0 }),
      ...lines.map((line, i) => log("run", 1 + i / 100, line)),
      vertex("run", { started: 0, completed: 9, error: "boom" }),
    ]);
    const [steps, tail] = [out.split("------\n")[0]!, out.split("------\n")[1]!];
    lines.forEach((line, i) => assert.match(steps, new RegExp(`^#1 \\S+ line ${i}$`, "m"), line));
    assert.deepEqual(
      tail.match(/line \d+/g),
      lines.slice(-10).map((line) => line.trim()),
    );
  });

  test("canceled steps and cached steps; a canceled build has no block about a failure", () => {
    assert.equal(
      plain([
        vertex("a first", { started: 0, completed: 0, cached: true }),
        vertex("b second", { started: 0.2 }),
        vertex("b second", { started: 0.2, completed: 1, error: "process failed: context canceled" }),
      ]),
      "#1 a first\n#1 CACHED\n\n#2 b second\n#2 CANCELED\n",
    );
  });

  test("several spans of work add up, overlaps once", () => {
    assert.equal(
      plain([
        vertex("a", { started: 0, completed: 1 }),
        vertex("a", { started: 5, completed: 7 }),
        vertex("a", { started: 6, completed: 8 }),
      ])
        .split("\n")
        .at(-2),
      "#1 DONE 4.0s",
    );
  });

  test("amounts, and statuses that move little are not repeated", () => {
    assert.equal(
      plain([
        vertex("pull", { started: 0 }),
        status("pull", "sha256:a", { current: 0, total: 10_000_000, started: 0, now: 0.2 }),
        status("pull", "sha256:a", { current: 100_000, total: 10_000_000, started: 0, now: 0.4 }),
        status("pull", "sha256:a", { current: 1_000_000, total: 10_000_000, started: 0, now: 0.6 }),
        status("pull", "sha256:a", { current: 1_050_000, total: 10_000_000, started: 0, now: 6 }),
        status("pull", "sha256:a", { current: 10_000_000, total: 10_000_000, started: 0, completed: 7, now: 7 }),
        status("pull", "extracting", { current: 123, started: 7, completed: 7, now: 7 }),
        vertex("pull", { started: 0, completed: 7.5 }),
      ]),
      `#1 pull
#1 sha256:a 0B / 10.00MB 0.2s
#1 sha256:a 1.00MB / 10.00MB 0.6s
#1 sha256:a 1.05MB / 10.00MB 6.0s
#1 sha256:a 10.00MB / 10.00MB 7.0s done
#1 extracting 123B done
#1 DONE 7.5s
`,
    );
  });

  test("members of a group are one step; a group of weak members alone stays hidden", () => {
    const group = { id: "g", name: "the group" };
    assert.equal(
      plain([
        vertex("w weak", { started: 0, completed: 1, group: { id: "h", name: "hidden", weak: true } }),
        vertex("a one", { started: 0, group }),
        vertex("b two", { started: 0.5, group }),
        vertex("a one", { started: 0, completed: 1, group }),
        vertex("b two", { started: 0.5, completed: 2, group }),
      ]),
      "#1 the group\n#1 DONE 2.0s\n",
    );
  });

  test("the display stays with a step, and turns to another that waited long", () => {
    const messages = [
      vertex("a", { started: 0 }),
      vertex("b", { started: 0.2 }),
      ...Array.from({ length: 30 }, (_, i) => [log("a", 1 + i, `a${i}\n`), log("b", 1.5 + i, `b${i}\n`)]).flat(),
      vertex("a", { started: 0, completed: 40 }),
      vertex("b", { started: 0.2, completed: 41 }),
    ];
    const out = plain(messages);
    for (let i = 0; i < 30; i++) {
      assert.equal(out.match(new RegExp(`^#1 \\S+ a${i}$`, "gm"))?.length, 1, `a${i}`);
      assert.equal(out.match(new RegExp(`^#2 \\S+ b${i}$`, "gm"))?.length, 1, `b${i}`);
    }
    const turns = out.match(/^#\d+ \.\.\.$/gm) ?? [];
    assert.ok(turns.length >= 2 && turns.length <= 12, `${turns.length} turns`);
    assert.match(out, /\n#1 \.\.\.\n\n#2 b\n/);
    assert.match(out, /#1 DONE 40\.0s\n/);
    assert.match(out, /#2 DONE 40\.8s\n$/);
  });

  test("an unfinished line is finished in place, or printed anew after another step", () => {
    assert.equal(
      plain([
        vertex("a", { started: 0 }),
        log("a", 1, "50%"),
        log("a", 2, " 100%\n"),
        log("a", 3, "open"),
        vertex("b", { started: 3.5, completed: 4 }),
        log("a", 5, " and shut\n"),
        vertex("a", { started: 0, completed: 6 }),
      ]),
      `#1 a
#1 1.000 50% 100%
#1 3.000 open
#1 ...

#2 b
#2 DONE 0.5s

#1 a
#1 3.000 open and shut
#1 DONE 6.0s
`,
    );
  });

  test("warnings are named in the step; canceling is said once", () => {
    const out = plain(
      [
        vertex("a", { started: 0 }),
        warning("a", "old syntax"),
        log("a", 1, "x\n"),
        vertex("a", { started: 0, completed: 2 }),
      ],
      { cancelAfter: 2 },
    );
    assert.equal(out, "#1 a\n#1 WARN: old syntax\n#1 1.000 x\n#1 ...\ncanceling…\n\n#1 a\n#1 DONE 2.0s\n");
  });
});
