// Several files read as one body: blocks follow each other, and of an argument that several set the last one counts.
// Counterpart: docker/buildx bake/hclparser/merged.go.

import type { Body, BodyContent, BodySchema } from "./body.ts";
import type { Attribute } from "./expressions.ts";
import type { Diagnostic, Range } from "./source.ts";

export class MergedBody implements Body {
  readonly #bodies: readonly Body[];

  constructor(bodies: readonly Body[]) {
    this.#bodies = bodies;
  }

  partialContent(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    return this.#merge(schema, diagnostics, (body, each) => body.partialContent(each, diagnostics));
  }

  content(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent {
    return this.#merge(schema, diagnostics, (body, each) => body.content(each, diagnostics));
  }

  justAttributes(hidden: ReadonlySet<string>, diagnostics: Diagnostic[]): ReadonlyMap<string, Attribute> {
    const all = new Map<string, Attribute>();
    for (const body of this.#bodies) {
      for (const [name, attribute] of body.justAttributes(hidden, diagnostics)) all.set(name, attribute);
    }
    return all;
  }

  missingItemRange(): Range {
    const start = { line: 1, column: 1 };
    return this.#bodies[0]?.missingItemRange() ?? { filename: "<empty>", start, end: start };
  }

  #merge(
    schema: BodySchema,
    diagnostics: Diagnostic[],
    read: (body: Body, schema: BodySchema) => BodyContent,
  ): BodyContent {
    const optional = { ...schema, attributes: schema.attributes.map(({ name }) => ({ name })) };
    const contents = this.#bodies.map((body) => read(body, optional));
    const attributes = new Map(contents.flatMap((content) => [...content.attributes]));
    for (const { name, required } of schema.attributes) {
      if (required !== true || attributes.has(name)) continue;
      const detail = `The argument ${JSON.stringify(name)} is required.`;
      diagnostics.push({ summary: "Missing required argument", detail, subject: undefined });
    }
    return { attributes, blocks: contents.flatMap(({ blocks }) => blocks) };
  }
}
