// Published vectors: what docker's reference parser and containerd's platform code answered for the same inputs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { messageOf } from "../../base/index.ts";
import {
  contextKey,
  familiarName,
  familiarString,
  formatAllPlatform,
  formatPlatform,
  isNameOnly,
  normalizePlatform,
  onlyMatcher,
  parsePlainReference,
  parsePlatform,
  parseReference,
  referenceName,
  referenceString,
  strictMatcher,
  tagNameOnly,
} from "./index.ts";
import type { Platform } from "./index.ts";

function vectors<T>(name: string): T[] {
  const file = new URL(`fixtures/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as T[];
}

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return { error: messageOf(error) };
  }
}

test("references read and print as docker's do", () => {
  const cases = vectors<{ id: string; input: string; expected: unknown }>("reference");
  assert.ok(cases.length >= 70);
  for (const { id, input, expected } of cases) {
    const normalized = attempt(() => {
      const { tag, digest, domain, path, ...rest } = parseReference(input);
      const ref = parseReference(input);
      assert.deepEqual(rest, {});
      return {
        contextKey: contextKey(ref),
        ...(digest === undefined ? {} : { digest }),
        domain,
        familiarName: familiarName(ref),
        familiarString: familiarString(ref),
        isNameOnly: isNameOnly(ref),
        name: referenceName(ref),
        path,
        string: referenceString(ref),
        ...(tag === undefined ? {} : { tag }),
        tagNameOnly: referenceString(tagNameOnly(ref)),
      };
    });
    const parse = attempt(() => {
      const ref = parsePlainReference(input);
      return {
        ...(ref.digest === undefined ? {} : { digest: ref.digest }),
        name: referenceName(ref),
        string: referenceString(ref),
        ...(ref.tag === undefined ? {} : { tag: ref.tag }),
      };
    });
    assert.deepEqual({ normalized, parse }, expected, id);
  }
});

interface PlatformCase {
  readonly id: string;
  readonly kind: "parse" | "normalize" | "match" | "list";
  readonly input: unknown;
  readonly expected: unknown;
}

test("platforms read, normalise, print and match as containerd's do", () => {
  const cases = vectors<PlatformCase>("platform");
  assert.ok(cases.length >= 65);
  for (const { id, kind, input, expected } of cases) {
    assert.deepEqual(
      attempt(() => answers[kind](input)),
      expected,
      id,
    );
  }
});

const answers: Record<PlatformCase["kind"], (input: unknown) => unknown> = {
  parse: (input) => {
    const parsed = parsePlatform(input as string);
    return {
      format: formatPlatform(parsed),
      formatAll: formatAllPlatform(parsed),
      normalized: normalizePlatform(parsed),
      normalizedFormatAll: formatAllPlatform(normalizePlatform(parsed)),
      parsed,
    };
  },
  normalize: (input) => {
    const { "os.version": osVersion, "os.features": osFeatures, ...rest } = input as Platform & Record<string, unknown>;
    const extra = { ...(osVersion ? { osVersion } : {}), ...(osFeatures ? { osFeatures } : {}) };
    const normalized = normalizePlatform({ ...rest, ...extra } as Platform);
    return { formatAll: formatAllPlatform(normalized), normalized };
  },
  match: (input) => {
    const { want, candidates } = input as { want: string; candidates: string[] };
    const wanted = parsePlatform(want);
    const only = onlyMatcher(wanted);
    const strict = strictMatcher(wanted);
    const parsed = candidates.map(parsePlatform);
    const order = parsed.filter((each) => only.matches(each)).sort((a, b) => only.compare(a, b));
    return {
      candidates: parsed.map((each, at) => ({
        candidate: candidates[at],
        matcher: strict.matches(each),
        only: only.matches(each),
        strict: strict.matches(each),
      })),
      preferenceOrder: order.map((each) => candidates[parsed.indexOf(each)]),
    };
  },
  list: (input) => ({
    platforms: (input as string).split(",").map((each) => {
      try {
        return formatAllPlatform(normalizePlatform(parsePlatform(each)));
      } catch (error) {
        throw new Error(`failed to parse target platform ${each}: ${messageOf(error)}`, { cause: error });
      }
    }),
  }),
};
