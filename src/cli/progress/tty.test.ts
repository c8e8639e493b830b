import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { control } from "../../formats/proto/index.ts";
import { createDisplay, type Display } from "./display.ts";
import { latestMs, log, messagesOf, Screen, status, TestClock, vertex, warning } from "./test-messages.ts";
import { clipToWidth, printableLine, textWidth } from "./text-width.ts";

const sample = readFileSync(join(import.meta.dirname, "testdata/rawjson.txt"), "utf8");

interface Session {
  readonly display: Display;
  readonly clock: TestClock;
  readonly screen: Screen;
  readonly feed: (...messages: readonly control.StatusResponse[]) => void;
}

function open(columns = 60, rows = 20, env: Record<string, string> = { NO_COLOR: "1" }): Session {
  const clock = new TestClock();
  const screen = new Screen(columns, rows);
  const out = {
    write: (text: string) => screen.write(text),
    on: () => out,
    removeListener: () => out,
  } as unknown as NodeJS.WritableStream;
  const display = createDisplay("tty", { out, isTTY: true, env, size: () => ({ columns, rows }), clock });
  let fed = false;
  const feed = (...messages: readonly control.StatusResponse[]) => {
    if (!fed) clock.moveTo(messages.map(latestMs).find((ms) => ms !== undefined)! - 1);
    fed = true;
    for (const message of messages) {
      clock.moveTo(latestMs(message) ?? clock.nowMs());
      display.update(message);
    }
  };
  return { display, clock, screen, feed };
}

suite("the live display", () => {
  test("running steps with times, their last lines, amounts", () => {
    const { screen, clock, feed } = open();
    feed(
      vertex("a FROM busybox", { started: 0 }),
      vertex("a FROM busybox", { started: 0, completed: 0.5, cached: true }),
      vertex("b RUN make", { started: 1 }),
      log("b", 1.5, "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"),
      log("b", 2, "\u001b[31mred\u001b[0m\tok\rover\n50%"),
      vertex("c pull", { started: 1 }),
      status("c", "sha256:abc", { current: 1_500_000, total: 3_000_000, started: 1.2, now: 2 }),
    );
    clock.moveToSeconds(3.25);
    assert.equal(
      screen.text(),
      `[+] Building 3.2s (1/3)
 => CACHED a FROM busybox                             0.5s
 => b RUN make                                        2.2s
 => => # four
 => => # five
 => => # six
 => => # seven
 => => # over
 => => # 50%
 => c pull                                            2.2s
 => => sha256:abc 1.50MB / 3.00MB                     2.0s`.replace(
        /^( => .*?) +(\d\.\ds)$/gm,
        (_, left: string, right: string) => left.padEnd(59 - right.length) + right,
      ),
    );
  });

  test("the last frame is whole, however small the terminal, and the failed step's log follows", () => {
    const { screen, display, feed } = open(40, 8);
    for (let i = 0; i < 12; i++) feed(vertex(`s${i} step`, { started: i, completed: i + 0.5 }));
    feed(
      vertex("bad RUN false", { started: 12 }),
      log("bad", 12.5, "why\n"),
      vertex("bad RUN false", { started: 12, completed: 13, error: "exit code: 1" }),
    );
    display.finish();
    display.finish();
    const lines = screen.text().split("\n");
    assert.equal(lines[0], "[+] Building 12.5s (13/13) FINISHED");
    for (let i = 0; i < 12; i++) assert.equal(lines[i + 1], ` => s${i} step`.padEnd(35) + "0.5s");
    assert.deepEqual(lines.slice(13), [
      " => ERROR bad RUN false".padEnd(35) + "1.0s",
      "------",
      " > bad RUN false:",
      "0.500 why",
      "------",
    ]);
  });

  test("a frame never leaves the screen or wraps, in terminals of any size", () => {
    for (const [columns, rows] of [
      [1, 1],
      [5, 2],
      [20, 3],
      [30, 6],
      [80, 10],
      [200, 50],
    ] as const) {
      const { display, clock, feed, screen } = open(columns, rows);
      for (let i = 0; i < 15; i++) {
        feed(
          vertex(`v${i} 构建 a long name that does not fit into narrow terminals`, { started: i }),
          log(`v${i}`, i + 0.5, `line ${i} 日本語 ${"x".repeat(300)}\n`),
        );
        if (i % 2 === 0) feed(vertex(`v${i} 构建 a long name`, { started: i, completed: i + 0.75 }));
      }
      clock.moveToSeconds(30);
      assert.ok(screen.text().split("\n").length <= rows, `${columns}x${rows}`);
      display.finish();
    }
  });

  test("running steps stay in sight when there are more steps than rows", () => {
    const { screen, clock, feed } = open(60, 6);
    feed(vertex("slow RUN sleep", { started: 0 }));
    for (let i = 0; i < 20; i++) feed(vertex(`q${i}`, { started: i, completed: i + 0.1 }));
    clock.moveToSeconds(25);
    assert.match(screen.text(), /slow RUN sleep/);
    assert.match(screen.text(), /q19/);
  });

  test("a recorded build", () => {
    const { screen, display, feed } = open(60, 30);
    feed(...messagesOf(sample));
    display.finish();
    assert.match(screen.text(), /^\[\+\] Building 0\.\ds \(12\/12\) FINISHED\n => \[internal\] load build definition/);
    assert.equal(screen.text().split("\n").length, 1 + 12 + 4);
  });

  test("canceling shows in the header; warnings and canceled steps in their rows", () => {
    const { screen, display, clock, feed } = open();
    feed(vertex("a", { started: 0 }), warning("a", "old"));
    display.cancel("Canceling");
    clock.moveToSeconds(1);
    feed(vertex("a", { started: 0, completed: 1, error: "context canceled" }));
    display.finish();
    const lines = screen
      .text()
      .split("\n")
      .map((line) => line.replace(/ +/g, " "));
    assert.deepEqual(lines, ["[+] Canceling 1.0s (1/1) FINISHED", " => CANCELED a 1.0s", " => WARN: old 1.0s"]);
  });

  test("colours: none with NO_COLOR, blue and red by default, others by BUILDKIT_COLORS", () => {
    const run = (env: Record<string, string>) => {
      const { display, feed, screen } = open(60, 20, env);
      feed(vertex("a", { started: 0, completed: 1 }), vertex("b", { started: 0, completed: 1, error: "no" }));
      display.finish();
      return screen.styles;
    };
    assert.deepEqual(run({ NO_COLOR: "1" }), []);
    assert.ok(run({}).includes("\u001b[34m") && run({}).includes("\u001b[31m"));
    const changed = run({ BUILDKIT_COLORS: "run=green:error=1,2,3:nonsense:cancel=300,0,0" });
    assert.ok(changed.includes("\u001b[32m") && changed.includes("\u001b[38;2;1;2;3m"));
    assert.ok(!changed.includes("\u001b[34m"));
  });

  test("without a terminal there is no live display", () => {
    const out = process.stderr;
    assert.throws(() => createDisplay("tty", { out, isTTY: false, env: {} }), /failed to get console/);
  });
});

test("widths and safe lines", () => {
  assert.equal(textWidth("abc"), 3);
  assert.equal(textWidth("日本"), 4);
  assert.equal(textWidth("e\u0301"), 1);
  assert.equal(textWidth("👩‍👩‍👧"), 2);
  assert.equal(clipToWidth("日本", 3), "日");
  assert.equal(clipToWidth("abc", -1), "");
  assert.equal(printableLine("\u001b]0;title\u0007a\u001b[2Jb\u0008c\r\n".replace("\n", "")), "abc");
  assert.equal(printableLine("10%\r20%\r"), "20%");
});
