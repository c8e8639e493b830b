// The house rules as a test: every import of src/ against architecture.json. Prints the import that breaks a rule.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

interface Wing {
  readonly rooms: readonly string[];
  readonly imports: readonly string[];
}
interface Architecture {
  readonly root: string;
  readonly wings: Readonly<Record<string, Wing>>;
  readonly roomRules: Readonly<Record<string, { readonly imports: readonly string[] }>>;
  readonly samewing: Readonly<Record<string, readonly string[]>>;
}

const home = join(import.meta.dirname, "..");
const house = JSON.parse(readFileSync(join(home, "architecture.json"), "utf8")) as Architecture;
const root = join(home, house.root);

interface Place {
  readonly wing: string;
  /** `wing/room`, or the wing alone for files that stand in no room. */
  readonly room: string;
}

function placeOf(file: string): Place {
  const [wing = "", room = "", ...rest] = file.split("/");
  return { wing, room: rest.length > 0 ? `${wing}/${room}` : wing };
}

function importsOf(text: string): string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?["'](\.[^"']+)["']|import\(\s*["'](\.[^"']+)["']/g,
  );
  return [...found].map((match) => (match[1] ?? match[2])!);
}

const files = globSync("**/*.{ts,js}", { cwd: root }).filter((file) => !file.endsWith(".d.ts"));

test("every file stands in a wing and room that architecture.json names", () => {
  for (const file of files) {
    const { wing, room } = placeOf(file);
    if (file === "index.ts") continue;
    const known = house.wings[wing];
    assert.ok(known, `${file}: no wing ${wing}`);
    assert.ok(room === wing || known.rooms.includes(room.slice(wing.length + 1)), `${file}: no room ${room}`);
  }
});

test("imports go to the own room or to a wing below, through its door", () => {
  const broken: string[] = [];
  for (const file of files) {
    if (file === "index.ts") continue;
    const from = placeOf(file);
    const isTest = /(\.test|-conformance|test-[a-z-]+)\.ts$/.test(file);
    for (const specifier of importsOf(readFileSync(join(root, file), "utf8"))) {
      const target = relative(root, join(root, dirname(file), specifier));
      if (target.startsWith("..")) {
        if (!isTest) broken.push(`${file} -> ${specifier}: leaves src/`);
        continue;
      }
      const to = placeOf(target);
      if (to.room === from.room) continue;
      if (to.wing === from.wing) {
        const allowed = house.samewing[from.room] ?? [];
        if (from.room !== from.wing && !allowed.includes(to.room)) broken.push(`${file} -> ${target}: sideways`);
      } else {
        const rule = house.roomRules[from.room] ?? house.wings[from.wing]!;
        if (!rule.imports.includes(to.wing) && !rule.imports.includes(to.room))
          broken.push(`${file} -> ${target}: upwards`);
      }
      if (!isTest && !/(^|\/)index\.(ts|js)$/.test(target) && to.room !== to.wing)
        broken.push(`${file} -> ${target}: not through the door`);
    }
  }
  assert.deepEqual(broken, []);
});
