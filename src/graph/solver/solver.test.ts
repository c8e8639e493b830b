import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as tick } from "node:timers/promises";
import { digestOf, isAbort } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import { MemoryKeyStorage, Solver } from "./index.ts";
import type { Edge, Op, ProgressSink, ResultStore, Vertex, VertexEvent } from "./index.ts";

/** A fake op: its value is its own text and its inputs' values. */
interface Fake {
  readonly name: string;
  /** Inputs whose content may stand for them. */
  readonly content?: readonly number[];
  readonly persistent?: boolean;
  readonly value?: () => string;
  readonly work?: (signal: AbortSignal) => Promise<void>;
  readonly cacheDigest?: string;
}

class Store implements ResultStore<string> {
  readonly kept = new Set<string>();
  live = 0;
  save(result: string): string {
    this.kept.add(result);
    return result;
  }
  load(id: string): Promise<string | undefined> {
    if (!this.kept.has(id)) return Promise.resolve(undefined);
    this.live++;
    return Promise.resolve(id);
  }
  exists(id: string): boolean {
    return this.kept.has(id);
  }
  release(): Promise<void> {
    this.live--;
    return Promise.resolve();
  }
}

class World {
  readonly store = new Store();
  readonly storage = new MemoryKeyStorage();
  readonly runs: string[] = [];
  readonly events: string[] = [];
  solver: Solver<string>;
  running = 0;
  most = 0;
  nowMs = 0;

  constructor(parallelism = 8) {
    this.solver = this.#open(parallelism);
  }

  restart(parallelism = 8): void {
    this.solver = this.#open(parallelism);
    this.runs.length = 0;
    this.events.length = 0;
  }

  #open(parallelism: number): Solver<string> {
    return new Solver({
      storage: this.storage,
      results: this.store,
      parallelism,
      now: () => ++this.nowMs,
      resolveOp: (vertex) => this.#op(vertex),
    });
  }

  #op(vertex: Vertex): Op<string> {
    const fake = vertex.sys as Fake;
    return {
      cacheMap: () =>
        Promise.resolve({
          digest: fake.cacheDigest ?? digestOf(fake.name),
          persistent: fake.persistent ?? true,
          deps: vertex.inputs.map((_, index) =>
            fake.content?.includes(index) ? { contentDigest: (input: string) => Promise.resolve(digestOf(input)) } : {},
          ),
        }),
      exec: async (inputs, context) => {
        this.runs.push(fake.name);
        this.most = Math.max(this.most, ++this.running);
        try {
          await fake.work?.(context.signal);
        } finally {
          this.running--;
        }
        this.store.live++;
        return [`${fake.value?.() ?? fake.name}(${inputs.join(",")})`];
      },
    };
  }

  sink(): ProgressSink {
    return {
      vertex: (event: VertexEvent) => this.events.push(`${event.kind} ${event.vertex.name}`),
      log: () => {},
      status: () => {},
      warn: () => {},
    };
  }

  async build(edge: Edge): Promise<string> {
    await using job = this.solver.job(this.sink());
    return (await job.build(edge)).result;
  }

  assertClean(): void {
    assert.equal(this.solver.size, 0, "vertexes left");
    assert.equal(this.store.live, 0, "results left");
    assert.equal(this.running, 0, "ops left running");
  }
}

function vertex(
  fake: Fake,
  inputs: readonly Edge[] = [],
  options: { ignoreCache?: boolean; session?: string } = {},
): Edge {
  const digest: Digest = digestOf(
    JSON.stringify([fake.name, options.session, inputs.map((input) => [input.vertex.digest, input.index])]),
  );
  const ignoreCache = options.ignoreCache ?? false;
  return {
    index: 0,
    vertex: { digest, name: fake.name, inputs, options: { ignoreCache, description: {} }, sys: fake },
  };
}

test("a second build hits the top and touches nothing below", async () => {
  const world = new World();
  const graph = () => vertex({ name: "c" }, [vertex({ name: "b" }, [vertex({ name: "a" })])]);
  assert.equal(await world.build(graph()), "c(b(a()))");
  assert.deepEqual(world.runs, ["a", "b", "c"]);
  world.assertClean();
  world.restart();
  assert.equal(await world.build(graph()), "c(b(a()))");
  assert.deepEqual(world.runs, []);
  assert.deepEqual(
    world.events.filter((event) => event.startsWith("cached")).sort(),
    ["cached a", "cached b", "cached c"].slice(world.events.includes("completed a") ? 1 : 0),
  );
  world.assertClean();
});

test("independent vertexes run at once, within the limit", async () => {
  for (const [limit, most] of [
    [8, 4],
    [2, 2],
    [1, 1],
  ] as const) {
    const world = new World(limit);
    const work = async () => {
      for (let i = 0; i < 20; i++) await tick();
    };
    const leaves = ["a", "b", "c", "d"].map((name) => vertex({ name, work }));
    await world.build(vertex({ name: "top" }, leaves));
    assert.equal(world.most, most);
    world.assertClean();
  }
});

test("two stages joined by copies run at once even though the first copy waits for its stage", async () => {
  const world = new World();
  const base = vertex({ name: "base" });
  let met = 0;
  const meet = async (signal: AbortSignal) => {
    met++;
    while (met < 2) {
      signal.throwIfAborted();
      await tick();
    }
  };
  const left = vertex({ name: "left", work: meet }, [base]);
  const right = vertex({ name: "right", work: meet }, [base]);
  const one = vertex({ name: "copy1", content: [1] }, [base, left]);
  const two = vertex({ name: "copy2", content: [1] }, [one, right]);
  assert.equal(await world.build(two), "copy2(copy1(base(),left(base())),right(base()))");
  world.assertClean();
});

test("content stands for an input whose definition changes with every session", async () => {
  const world = new World();
  let content = "v1";
  const graph = (session: string) => {
    const context = vertex({ name: "local", persistent: false, value: () => content }, [], { session });
    const copy = vertex({ name: "copy", content: [1] }, [vertex({ name: "base" }), context]);
    return vertex({ name: "run" }, [copy]);
  };
  const first = await world.build(graph("s1"));
  assert.deepEqual(
    world.runs,
    ["base", "local", "copy", "run"].sort((a, b) => world.runs.indexOf(a) - world.runs.indexOf(b)),
  );
  world.restart();
  assert.equal(await world.build(graph("s2")), first);
  assert.deepEqual(world.runs, ["local"]);
  world.restart();
  content = "v2";
  assert.equal(await world.build(graph("s3")), "run(copy(base(),v2()))");
  assert.deepEqual(world.runs, ["local", "copy", "run"]);
  world.restart();
  content = "v1";
  assert.equal(await world.build(graph("s4")), first);
  assert.deepEqual(world.runs, ["local"]);
  world.assertClean();
});

test("a rebuilt stage with the same content leaves what is copied from it cached", async () => {
  const world = new World();
  let source = "one";
  const graph = (session: string) => {
    const context = vertex({ name: "local", persistent: false, value: () => source }, [], { session });
    const stage = vertex({ name: "compile", content: [0], value: () => "same" }, [context]);
    const copy = vertex({ name: "copy", content: [1] }, [
      vertex({ name: "base" }),
      vertex({ name: "strip", value: () => "x" }, [stage]),
    ]);
    return vertex({ name: "run" }, [copy]);
  };
  await world.build(graph("1"));
  world.restart();
  source = "two";
  const strip = await world.build(graph("2"));
  assert.ok(world.runs.includes("compile") && world.runs.includes("strip"));
  assert.match(strip, /^run\(copy/);
});

test("the same work asked for by two jobs runs once; it goes on while one of them wants it", async () => {
  const world = new World();
  let release = false;
  const slow = async (signal: AbortSignal) => {
    while (!release) {
      signal.throwIfAborted();
      await tick();
    }
  };
  const graph = () => vertex({ name: "slow", work: slow });
  const first = world.solver.job(world.sink());
  const second = world.solver.job(world.sink());
  const controller = new AbortController();
  const building = first.build(graph(), controller.signal);
  const other = second.build(graph());
  await tick();
  controller.abort(new DOMException("stop", "AbortError"));
  await assert.rejects(building, isAbort);
  await first.close();
  release = true;
  assert.equal((await other).result, "slow()");
  await second.close();
  assert.deepEqual(world.runs, ["slow"]);
  world.assertClean();
});

test("different vertexes that read the same content run once", async () => {
  const world = new World();
  const slow = async () => {
    for (let i = 0; i < 10; i++) await tick();
  };
  const graph = (session: string) =>
    vertex({ name: "copy", content: [0], work: slow }, [
      vertex({ name: "local", persistent: false, value: () => "same" }, [], { session }),
    ]);
  const results = await Promise.all([world.build(graph("a")), world.build(graph("b"))]);
  assert.deepEqual(results, ["copy(same())", "copy(same())"]);
  assert.equal(world.runs.filter((name) => name === "copy").length, 1);
  world.assertClean();
});

test("ignoring the cache runs again, and what follows never sees the older result", async () => {
  const world = new World();
  let version = 1;
  const graph = (ignoreCache: boolean) => {
    const dated = vertex({ name: "dated", value: () => `dated${version}` }, [vertex({ name: "base" })], {
      ignoreCache,
    });
    return vertex({ name: "after" }, [dated]);
  };
  assert.equal(await world.build(graph(false)), "after(dated1(base()))");
  world.restart();
  version = 2;
  assert.equal(await world.build(graph(true)), "after(dated2(base()))");
  assert.deepEqual(world.runs, ["dated", "after"]);
  world.restart();
  assert.equal(await world.build(graph(false)), "after(dated2(base()))");
  assert.deepEqual(world.runs, []);
  world.assertClean();
});

test("a result that is gone is a miss", async () => {
  const world = new World();
  const graph = () => vertex({ name: "b" }, [vertex({ name: "a" })]);
  await world.build(graph());
  world.restart();
  world.store.kept.delete("b(a())");
  assert.equal(await world.build(graph()), "b(a())");
  assert.deepEqual(world.runs, ["b"]);
  world.restart();
  world.store.kept.clear();
  await world.build(graph());
  assert.deepEqual(world.runs, ["a", "b"]);
  world.assertClean();
});

test("a failure names its vertex, stops dependents, and closing the job stops the rest", async () => {
  const world = new World();
  const forever = async (signal: AbortSignal) => {
    for (;;) {
      signal.throwIfAborted();
      await tick();
    }
  };
  const bad = vertex({ name: "bad", work: () => Promise.reject(new Error("no luck")) });
  const top = vertex({ name: "top" }, [bad, vertex({ name: "other", work: forever })]);
  const job = world.solver.job(world.sink());
  await assert.rejects(job.build(top), { name: "BuildError", message: "no luck", vertex: bad.vertex.digest });
  await job.close();
  assert.ok(!world.runs.includes("top"));
  assert.ok(world.events.includes("failed bad"));
  world.assertClean();
  await assert.rejects(world.build(top), { message: "no luck" });
  world.assertClean();
});

test("any order of completion gives the same results, and each op runs at most once", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = mulberry(seed);
    const world = new World(1 + Math.floor(random() * 4));
    const shape = Array.from({ length: 4 + Math.floor(random() * 12) }, (_, at) => ({
      inputs: Array.from({ length: at === 0 ? 0 : Math.floor(random() * 3) }, () => Math.floor(random() * at)),
      content: random() < 0.5,
      volatile: random() < 0.3,
    }));
    const graph = (session: string) => {
      const edges: Edge[] = [];
      for (const [at, node] of shape.entries()) {
        const work = async () => {
          for (let i = Math.floor(random() * 6); i > 0; i--) await tick();
        };
        const persistent = node.inputs.length > 0 || !node.volatile;
        edges.push(
          vertex(
            { name: `v${at}`, work, persistent, content: node.content ? node.inputs.map((_, index) => index) : [] },
            node.inputs.map((input) => edges[input]!),
            persistent ? {} : { session },
          ),
        );
      }
      return vertex({ name: "top", content: edges.map((_, index) => index) }, edges);
    };
    const expected = await world.build(graph("x"));
    assert.equal(new Set(world.runs).size, world.runs.length, `seed ${seed}: an op ran twice`);
    world.assertClean();
    world.restart(2);
    assert.equal(await world.build(graph("y")), expected, `seed ${seed}`);
    assert.ok(!world.runs.includes("top"), `seed ${seed}: the top missed`);
    world.assertClean();
  }
});

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
