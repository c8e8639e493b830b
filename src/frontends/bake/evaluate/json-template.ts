// Strings of JSON files are templates; each is parsed once. Positions within it are approximate: escapes of the file are gone.

import { parseTemplateText } from "../hcl/native-body.ts";
import type { ParsedExpression } from "../hcl/native-body.ts";
import type { Range } from "../hcl/source.ts";

const parsed = new WeakMap<Range, ParsedExpression>();

/** `range` is that of the string in the file, quotes included. */
export function jsonTemplate(text: string, range: Range): ParsedExpression {
  let found = parsed.get(range);
  if (found === undefined) {
    const start = { line: range.start.line, column: range.start.column + 1 };
    parsed.set(range, (found = parseTemplateText(text, range.filename, start)));
  }
  return found;
}
