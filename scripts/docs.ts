// Writes docs/cli from the command definitions; a test fails when the two differ.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referencePages } from "../src/cli/reference.ts";

const dir = join(import.meta.dirname, "../docs/cli");
mkdirSync(dir, { recursive: true });
for (const [name, text] of referencePages()) writeFileSync(join(dir, name), text);
