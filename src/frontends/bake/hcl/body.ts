// A body: what a file or a block holds. Readers ask for the attributes and blocks that they know; native and JSON files answer alike.
// Counterpart: hashicorp/hcl structure.go.

import type { Attribute } from "./expressions.ts";
import type { Diagnostic, Range } from "./source.ts";

/** What a reader asks a body for. */
export interface BodySchema {
  readonly attributes: readonly { readonly name: string; readonly required?: boolean }[];
  readonly blocks: readonly { readonly type: string; readonly labels: readonly string[] }[];
}

export interface Block {
  readonly type: string;
  readonly labels: readonly string[];
  readonly body: Body;
  /** The header. */
  readonly range: Range;
  readonly typeRange: Range;
  readonly labelRanges: readonly Range[];
}

export interface BodyContent {
  /** In the order of the text. */
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly blocks: readonly Block[];
}

export interface Body {
  /** What the schema names; the rest is left alone. Complaints go to `diagnostics`. */
  partialContent(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent;
  /** As {@link partialContent}, and complains of everything that the schema does not name. */
  content(schema: BodySchema, diagnostics: Diagnostic[]): BodyContent;
  /** All attributes but `hidden`; complains of blocks. */
  justAttributes(hidden: ReadonlySet<string>, diagnostics: Diagnostic[]): ReadonlyMap<string, Attribute>;
  /** Where something that is missing would stand. */
  missingItemRange(): Range;
}

export interface ParsedFile {
  readonly body: Body;
  readonly diagnostics: readonly Diagnostic[];
}
