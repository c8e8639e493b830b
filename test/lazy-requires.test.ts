// What the bundle's files are rewritten to, run: modules are loaded when a name of theirs is used, and not before.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lazyRequires } from "../scripts/lazy-requires.ts";

interface Ran {
  readonly loaded: readonly string[];
  readonly exports: Record<string, unknown>;
}

function run(code: string, modules: Record<string, unknown>): Ran {
  const loaded: string[] = [];
  const require = (path: string) => {
    loaded.push(path);
    return modules[path];
  };
  const exports: Record<string, unknown> = {};
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is what is tested
  new Function("require", "exports", lazyRequires(code, "a.js"))(require, exports);
  return { loaded, exports };
}

void test("a module is loaded once, when it is first used", () => {
  const code =
    'const require_a=require("./a.js");let node_fs=require("node:fs");let node_os=require("node:os");exports.read=()=>(0,node_fs.read)(require_a.t.name);exports.os=()=>node_os.x;';
  const { loaded, exports } = run(code, {
    "./a.js": { t: { name: "n" } },
    "node:fs": { read: (of: string) => `<${of}>` },
  });
  assert.deepEqual(loaded, []);
  const read = exports["read"] as () => string;
  assert.equal(read() + read(), "<n><n>");
  assert.deepEqual(loaded.toSorted(), ["./a.js", "node:fs"]);
});

void test("constructors, spreads, classes and default imports", () => {
  const code =
    '"use strict";const require_rt=require("./rt.js");let node_x=require("node:x");node_x=require_rt.a(node_x,1);class B extends node_x.Base{}exports.made=()=>new node_x.inner.Thing(3).value;exports.list=[...node_x.list];exports.B=B;exports.own=(o)=>o.node_x;exports.inside=()=>{return new node_x.Base};';
  class Base {}
  class Thing {
    readonly value: number;
    constructor(value: number) {
      this.value = value;
    }
  }
  const module = { Base, inner: { Thing }, list: [1, 2] };
  const { exports } = run(code, {
    "./rt.js": { a: (it: unknown, flag: number) => (flag === 1 ? it : undefined) },
    "node:x": module,
  });
  assert.equal((exports["made"] as () => number)(), 3);
  assert.deepEqual(exports["list"], [1, 2]);
  assert.ok(new (exports["B"] as typeof Base)() instanceof Base);
  assert.equal((exports["own"] as (o: unknown) => unknown)({ node_x: 7 }), 7);
  assert.ok((exports["inside"] as () => unknown)() instanceof Base);
});

void test("a module that is used whole can't be rewritten, a file without any stays as it is", () => {
  assert.throws(
    () => lazyRequires('let node_fs=require("node:fs");f(node_fs);', "a.js"),
    /^Error: a\.js: node_fs is used whole/,
  );
  const inner = 'var a=1;function f(){const assert=require("node:assert");return assert(1)}';
  assert.equal(lazyRequires(inner, "a.js"), inner);
});
