// The records of a cache as a graph that grows by union: what several exports, targets, branches and platforms know, in one. Records
// that are the same work on the same input are one record, however each export wrote it. Acyclic: a link that would close a loop is
// not added. Counterpart: moby/buildkit cache/remotecache/v1/chains.go.

import { digestOf } from "../../base/index.ts";
import type { Digest } from "../../base/index.ts";
import type { Descriptor } from "../../formats/oci/index.ts";
import type { CacheConfig, CacheLayer, CacheRecord } from "./cache-config.ts";

/** Blobs of a result, bottom first. */
export interface GraphResult {
  readonly blobs: readonly Descriptor[];
  readonly createdAtMs: number;
}

export interface GraphLink {
  readonly source: GraphNode;
  /** Empty string for none. */
  readonly selector: string;
}

/** A record; made by {@link CacheGraph.add} alone. */
export class GraphNode {
  readonly digest: Digest;
  /** For each input, the links that lead here. */
  readonly inputs: GraphLink[][] = [];
  readonly children = new Map<string, Set<GraphNode>>();
  result: GraphResult | undefined;

  constructor(digest: Digest) {
    this.digest = digest;
  }
}

export class CacheGraph {
  readonly #roots = new Map<Digest, GraphNode>();
  readonly #nodes = new Set<GraphNode>();

  get nodes(): ReadonlySet<GraphNode> {
    return this.#nodes;
  }

  /** Every record of a config; `describe` gives a layer's descriptor, or undefined where its blob can't be had: a result less. */
  static from(config: CacheConfig, describe: (blob: Digest) => Descriptor | undefined): CacheGraph {
    const graph = new CacheGraph();
    graph.addConfig(config, describe);
    return graph;
  }

  addConfig(config: CacheConfig, describe: (blob: Digest) => Descriptor | undefined): void {
    const made: (GraphNode | undefined)[] = [];
    for (const at of inputsFirst(config.records)) {
      const record = config.records[at]!;
      const inputs = record.inputs.map((list) =>
        list.flatMap(({ selector, link }) => {
          const source = made[link];
          return source === undefined ? [] : [{ source, selector }];
        }),
      );
      // Undefined for a loop in a hostile config: the record is left out.
      if (inputs.some((list) => list.length === 0)) continue;
      const node = (made[at] = this.add(record.digest, inputs));
      for (const { chain, createdAtMs } of record.results) {
        const blobs = chain.map((layer) => describe(config.layers[layer]!.blob));
        if (blobs.every((blob) => blob !== undefined)) this.setResult(node, { blobs, createdAtMs });
      }
    }
  }

  /** The record of `digest` with these inputs: the one there is, which learns new links, or a new one. */
  add(digest: Digest, inputs: readonly (readonly GraphLink[])[]): GraphNode {
    const known = inputs.length === 0 ? this.#roots.get(digest) : this.#find(digest, inputs);
    const node = known ?? new GraphNode(digest);
    this.#nodes.add(node);
    if (inputs.length === 0) this.#roots.set(digest, node);
    for (const [index, links] of inputs.entries()) {
      for (const link of links) this.#connect(node, index, link, known !== undefined);
    }
    return node;
  }

  /** The newest result wins. */
  setResult(node: GraphNode, result: GraphResult): void {
    if (node.result === undefined || node.result.createdAtMs < result.createdAtMs) node.result = result;
  }

  /** Takes away records that lead to no result, however far. */
  prune(): void {
    const kept = new Set<GraphNode>();
    const stack = [...this.#nodes].filter(({ result }) => result !== undefined);
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (kept.has(node)) continue;
      kept.add(node);
      for (const links of node.inputs) for (const { source } of links) stack.push(source);
    }
    for (const node of this.#nodes) {
      if (kept.has(node)) {
        for (const [key, children] of node.children) {
          for (const child of children) if (!kept.has(child)) children.delete(child);
          if (children.size === 0) node.children.delete(key);
        }
        continue;
      }
      this.#nodes.delete(node);
      if (this.#roots.get(node.digest) === node) this.#roots.delete(node.digest);
    }
  }

  /** The config, and the descriptors of its blobs. */
  toConfig(): { readonly config: CacheConfig; readonly blobs: ReadonlyMap<Digest, Descriptor> } {
    const layers: CacheLayer[] = [];
    const layerIndex = new Map<string, number>();
    const blobs = new Map<Digest, Descriptor>();
    const layerOf = (result: GraphResult): number => {
      let parent = -1;
      for (const blob of result.blobs) {
        const key = `${blob.digest} ${parent}`;
        let at = layerIndex.get(key);
        if (at === undefined) {
          layerIndex.set(key, (at = layers.length));
          layers.push({ blob: blob.digest, parent });
          blobs.set(blob.digest, blob);
        }
        parent = at;
      }
      return parent;
    };
    const order = [...this.#nodes];
    const indexOf = new Map(order.map((node, at) => [node, at]));
    const records = order.map((node): CacheRecord => {
      const { result } = node;
      const hasLayers = result !== undefined && result.blobs.length > 0;
      return {
        digest: node.digest,
        inputs: node.inputs.map((links) =>
          links.map(({ source, selector }) => ({ selector, link: indexOf.get(source)! })),
        ),
        results: hasLayers ? [{ chain: [], top: layerOf(result), createdAtMs: result.createdAtMs }] : [],
      };
    });
    return { config: { layers, records }, blobs };
  }

  /** Ids that are the same for the same records and links: a root's digest as it is, of others a digest of all that leads there. */
  ids(): Map<GraphNode, string> {
    const ids = new Map<GraphNode, string>();
    for (const node of sorted(this.#nodes)) {
      const inputs = node.inputs.map((links) =>
        links.map(({ source, selector }) => `${ids.get(source)} ${selector}`).sort(),
      );
      ids.set(node, inputs.length === 0 ? node.digest : digestOf(JSON.stringify([node.digest, inputs])));
    }
    return ids;
  }

  #find(digest: Digest, inputs: readonly (readonly GraphLink[])[]): GraphNode | undefined {
    let common: Set<GraphNode> | undefined;
    for (const [index, links] of inputs.entries()) {
      const found = new Set<GraphNode>();
      for (const { source, selector } of links) {
        for (const child of source.children.get(childKey(index, selector, digest)) ?? []) found.add(child);
      }
      common = common === undefined ? found : common.intersection(found);
      if (common.size === 0) return undefined;
    }
    return common?.values().next().value;
  }

  #connect(node: GraphNode, index: number, link: GraphLink, checkLoop: boolean): void {
    const key = childKey(index, link.selector, node.digest);
    const children = link.source.children.get(key);
    if (children?.has(node)) return;
    if (checkLoop && leadsTo(node, link.source)) return;
    if (children === undefined) link.source.children.set(key, new Set([node]));
    else children.add(node);
    while (node.inputs.length <= index) node.inputs.push([]);
    node.inputs[index]!.push(link);
  }
}

function childKey(index: number, selector: string, digest: Digest): string {
  return `${index} ${selector} ${digest}`;
}

function leadsTo(from: GraphNode, target: GraphNode): boolean {
  const stack = [from];
  const seen = new Set<GraphNode>();
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node === target) return true;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const children of node.children.values()) stack.push(...children);
  }
  return false;
}

/** Nodes, each after those that lead to it. */
function sorted(nodes: ReadonlySet<GraphNode>): GraphNode[] {
  const list = [...nodes];
  const at = new Map(list.map((node, index) => [node, index]));
  const records = list.map(({ inputs }) => ({
    inputs: inputs.map((links) => links.map(({ source }) => ({ link: at.get(source)! }))),
  }));
  return inputsFirst(records).map((index) => list[index]!);
}

/** Indexes of records, each after its inputs; those in loops come in any order. */
function inputsFirst(
  records: readonly { readonly inputs: readonly (readonly { readonly link: number }[])[] }[],
): number[] {
  const order: number[] = [];
  const state: (1 | 2)[] = [];
  for (const start of records.keys()) {
    const stack = [start];
    while (stack.length > 0) {
      const at = stack.at(-1)!;
      if (state[at] !== undefined) {
        stack.pop();
        if (state[at] === 1) order.push(at);
        state[at] = 2;
        continue;
      }
      state[at] = 1;
      for (const links of records[at]!.inputs) {
        for (const { link } of links) if (state[link] === undefined) stack.push(link);
      }
    }
  }
  return order;
}
