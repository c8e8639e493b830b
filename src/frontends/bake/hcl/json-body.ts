// HCL written as JSON: objects are bodies, their properties attributes or blocks, as the reader's schema has it.
// Spec: HCL JSON syntax. Counterpart: hashicorp/hcl json/structure.go.

import type { Block, Body, BodyContent, BodySchema, ParsedFile } from "./body.ts";
import type { Attribute } from "./expressions.ts";
import type { JsonNode, JsonProperty } from "./json-nodes.ts";
import { parseJson } from "./json-parser.ts";
import { between, decodeSource } from "./source.ts";
import type { Diagnostic, Range } from "./source.ts";

/** A property of this name is a comment. */
const COMMENT = "//";

/** Reads a whole file; what could be read is in the body also where there are complaints. */
export function parseJsonFile(bytes: Uint8Array, filename: string): ParsedFile {
  const diagnostics: Diagnostic[] = [];
  let node = parseJson(decodeSource(bytes), filename, diagnostics);
  if (node.kind !== "object" && node.kind !== "array") {
    diagnostics.push({
      summary: "Root value must be object",
      detail: "A JSON file holds an object, or an array of objects.",
      subject: node.range,
    });
    const start = { line: 1, column: 1 };
    const range = { filename, start, end: start };
    node = { kind: "object", properties: [], range, openRange: range, closeRange: range };
  }
  return { body: new JsonBody(node), diagnostics };
}

export class JsonBody implements Body {
  readonly #node: JsonNode;

  constructor(node: JsonNode) {
    this.#node = node;
  }

  partialContent(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    const attributes = new Map<string, Attribute>();
    const blocks: Block[] = [];
    for (const property of properties(this.#node, undefined, diagnostics)) {
      const { name, nameRange } = property;
      if (schema.attributes.some((known) => known.name === name)) {
        if (attributes.has(name)) {
          const detail = `The argument ${JSON.stringify(name)} is set already.`;
          diagnostics.push({ summary: "Duplicate argument", detail, subject: nameRange });
        } else attributes.set(name, attributeOf(property));
        continue;
      }
      const known = schema.blocks.find(({ type }) => type === name);
      if (known === undefined) continue;
      const header = { type: name, typeRange: nameRange, labelNames: known.labels };
      unpack(property.value, header, [], blocks, diagnostics);
    }
    for (const { name, required } of schema.attributes) {
      if (required !== true || attributes.has(name)) continue;
      const detail = `The argument ${JSON.stringify(name)} is required.`;
      diagnostics.push({ summary: "Missing required argument", detail, subject: this.missingItemRange() });
    }
    return { attributes, blocks };
  }

  content(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    const content = this.partialContent(schema, diagnostics);
    const known = new Set([...schema.attributes.map(({ name }) => name), ...schema.blocks.map(({ type }) => type)]);
    for (const { name, nameRange } of properties(this.#node, undefined, [])) {
      if (known.has(name) || name === COMMENT) continue;
      const detail = `No argument or block type is named ${JSON.stringify(name)}.`;
      diagnostics.push({ summary: "Extraneous JSON object property", detail, subject: nameRange });
    }
    return content;
  }

  justAttributes(hidden: ReadonlySet<string>, diagnostics: Diagnostic[]): ReadonlyMap<string, Attribute> {
    const attributes = new Map<string, Attribute>();
    if (this.#node.kind !== "object") {
      const subject = this.#node.openRange ?? this.#node.range;
      diagnostics.push({ summary: "Incorrect JSON value type", detail: "A JSON object is required here.", subject });
      return attributes;
    }
    for (const property of this.#node.properties) {
      if (property.name === COMMENT || hidden.has(property.name)) continue;
      if (attributes.has(property.name)) {
        const detail = `The argument ${JSON.stringify(property.name)} is set already.`;
        diagnostics.push({ summary: "Duplicate attribute definition", detail, subject: property.nameRange });
      } else attributes.set(property.name, attributeOf(property));
    }
    return attributes;
  }

  missingItemRange(): Range {
    return this.#node.kind === "object" ? this.#node.closeRange : (this.#node.openRange ?? this.#node.range);
  }
}

interface Header {
  readonly type: string;
  readonly typeRange: Range;
  readonly labelNames: readonly string[];
}

/** Peels off an object a label; what is left are the bodies of blocks. */
function unpack(
  node: JsonNode,
  header: Header,
  labels: readonly JsonProperty[],
  blocks: Block[],
  diagnostics: Diagnostic[],
): void {
  const labelName = header.labelNames[labels.length];
  if (labelName !== undefined) {
    const found = properties(node, labelName, diagnostics);
    if (found.length === 0) {
      const detail = `At least one property is required, whose name is the ${header.type} block's ${labelName}.`;
      diagnostics.push({ summary: "Missing block label", detail, subject: node.openRange ?? node.range });
    }
    for (const property of found) unpack(property.value, header, [...labels, property], blocks, diagnostics);
    return;
  }
  const { type, typeRange } = header;
  const labelFacts = { labels: labels.map(({ name }) => name), labelRanges: labels.map(({ nameRange }) => nameRange) };
  if (node.kind === "object") {
    blocks.push({ type, typeRange, ...labelFacts, body: new JsonBody(node), range: node.openRange! });
  } else if (node.kind === "array") {
    for (const item of node.items) {
      blocks.push({ type, typeRange, ...labelFacts, body: new JsonBody(item), range: node.openRange! });
    }
  } else if (node.kind !== "null") {
    const detail = `A JSON object or an array of them is required for ${JSON.stringify(type)} blocks.`;
    diagnostics.push({ summary: "Incorrect JSON value type", detail, subject: node.range });
  }
}

/** Properties of an object, or of all objects of an array. */
function properties(node: JsonNode, labelName: string | undefined, diagnostics: Diagnostic[]): readonly JsonProperty[] {
  const purpose = labelName === undefined ? "to define arguments and blocks" : `to specify ${labelName} labels`;
  if (node.kind === "object") return node.properties;
  if (node.kind === "null") return [];
  if (node.kind !== "array") {
    const detail = `A JSON object or an array of them is required here, ${purpose}.`;
    diagnostics.push({ summary: "Incorrect JSON value type", detail, subject: node.range });
    return [];
  }
  return node.items.flatMap((item) => {
    if (item.kind === "object") return item.properties;
    const detail = `A JSON object is required here, ${purpose}.`;
    diagnostics.push({ summary: "Incorrect JSON value type", detail, subject: item.openRange ?? item.range });
    return [];
  });
}

function attributeOf({ name, nameRange, value }: JsonProperty): Attribute {
  return {
    name,
    nameRange,
    range: between(nameRange, value.range),
    expression: { kind: "json", node: value, range: value.range },
  };
}
