// The value of RUN --device: `name[,required]`. Devices are not built; what is malformed is still told first, as BuildKit does.
// Counterpart: frontend/dockerfile/instructions/commands_rundevice.go.

import { tryParseBool } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { FrontendError, withSuggestion, wrapError } from "../source-error.ts";
import { csvFields } from "./csv.ts";

/** @throws FrontendError */
export function checkDevice(text: string): void {
  let fields: string[];
  try {
    fields = csvFields(text);
  } catch (error) {
    throw wrapError(error, "failed to parse csv devices");
  }
  let name = "";
  for (const field of fields) {
    const { before, after: value, found } = cut(field, "=");
    const key = before.toLowerCase();
    if (key === "required") {
      if (found && tryParseBool(value) === undefined) throw new FrontendError(`invalid value for ${key}: ${value}`);
    } else if (found && key === "name") {
      if (name !== "") throw new FrontendError(`device name already set to ${name}`);
      name = value;
    } else if (name === "") name = field;
    else if (!found) throw new FrontendError(`invalid field '${field}' must be a key=value pair`);
    else {
      const error = new FrontendError(`unexpected key '${key}' in '${field}'`);
      throw withSuggestion(error, key, ["name", "required"]);
    }
  }
}
