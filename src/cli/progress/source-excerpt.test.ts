import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { sourceExcerpt } from "./source-excerpt.ts";
import { warning } from "./test-messages.ts";
import { warningSummary } from "./warnings.ts";

const text = "FROM busybox\nRUN true\n# a comment\nRUN echo about to fail && \\\n    cat /no/such/file\nCOPY x /x";

function excerpt(ranges: readonly { start: number; end: number }[], body = text): string {
  return sourceExcerpt({ filename: "Dockerfile", language: "Dockerfile", text: Buffer.from(body), ranges });
}

suite("excerpts", () => {
  const rows: [string, string, string][] = [
    [
      "a span of lines",
      excerpt([{ start: 4, end: 5 }]),
      `Dockerfile:4
--------------------
   3 |     # a comment
   4 | >>> RUN echo about to fail && \\
   5 | >>>     cat /no/such/file
   6 |     COPY x /x
--------------------
`,
    ],
    [
      "one line of two",
      excerpt([{ start: 1, end: 1 }], "FORM scratch\n"),
      "Dockerfile:1\n--------------------\n   1 | >>> FORM scratch\n   2 |     \n--------------------\n",
    ],
    [
      "one line in the middle",
      excerpt([{ start: 3, end: 3 }]),
      `Dockerfile:3
--------------------
   1 |     FROM busybox
   2 |     RUN true
   3 | >>> # a comment
   4 |     RUN echo about to fail && \\
   5 |         cat /no/such/file
--------------------
`,
    ],
    ["an end before its start is one line", excerpt([{ start: 2, end: 0 }]).split("\n")[4]!, "   3 |     # a comment"],
    ["beyond the file", excerpt([{ start: 7, end: 7 }]), ""],
    ["no range", excerpt([]), ""],
  ];
  for (const [name, found, expected] of rows) test(name, () => assert.equal(found, expected));
});

test("the list of warnings, short and expanded", () => {
  const warnings = warning("a", "MaintainerDeprecated").warnings;
  assert.equal(warningSummary([], { expand: false }), "");
  assert.equal(
    warningSummary(warnings, { expand: false }),
    "\n 1 warning found (use --debug to expand):\n - MaintainerDeprecated\n",
  );
  assert.equal(warningSummary([...warnings, ...warnings], { expand: true }).split("\n - ")[0], "\n 2 warnings found:");
  assert.equal(
    warningSummary(warnings, { expand: true }),
    `
 1 warning found:
 - MaintainerDeprecated
what to do
More info: https://example.com/rule
Dockerfile:2
--------------------
   1 |     FROM scratch
   2 | >>> MAINTAINER me
   3 |${"     "}
--------------------

`,
  );
});
