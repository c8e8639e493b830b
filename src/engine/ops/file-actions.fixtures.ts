// Helpers of the file op's tests.

import * as fs from "node:fs";
import { join } from "node:path";

/** Path -> content; folders without anything in them end in `/`, links read `-> target`. */
export type Tree = Record<string, string>;

/** What is below a folder. */
export function tree(root: string): Tree {
  const found: Tree = {};
  const visit = (dir: string): void => {
    const entries = fs.readdirSync(join(root, dir), { withFileTypes: true });
    if (entries.length === 0 && dir !== "") found[`${dir}/`] = "";
    for (const entry of entries) {
      const path = dir === "" ? entry.name : `${dir}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.isSymbolicLink()) found[path] = `-> ${fs.readlinkSync(join(root, path))}`;
      else found[path] = fs.readFileSync(join(root, path), "utf8");
    }
  };
  visit("");
  return Object.fromEntries(Object.entries(found).toSorted(([one], [two]) => (one < two ? -1 : 1)));
}

/** A tar of `hello`, compressed by bzip2. */
export const bzip2: Buffer = Buffer.from(
  "QlpoOTFBWSZTWZM7Kr0AAHF7hMmQAERAAG+AAAhiRJ4AAACACCAAVCUo9QDTRtTRpk9QSVPKDR6gaA0FPu4d0IJWAJE9JE4vtM6kkDBDD0Zq0luqDLOGyyyncN6dvUsEhi2tXwHfFEQPxdyRThQkJM7Kr0A=",
  "base64",
);
