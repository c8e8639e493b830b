// Replays the small functions: one runner for each piece, each comparing a case's `expected` with what the project answers.

import { messageOf } from "../../../src/base/index.ts";
import { Linter, DEFAULT_LINT_CONFIG } from "../../../src/frontends/dockerfile/lint/linter.ts";
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
} from "../../../src/formats/oci/index.ts";
import type { Platform, Reference } from "../../../src/formats/oci/index.ts";
import {
  cleanPath,
  parseIgnoreFile,
  PatternMatcher,
  tryParseSymbolicMode,
} from "../../../src/formats/patterns/index.ts";
import type { MatchInfo } from "../../../src/formats/patterns/index.ts";
import * as config from "../../../src/frontends/dockerfile/context/config.ts";
import { parseGitRef } from "../../../src/frontends/dockerfile/context/git-ref.ts";
import { parsePortSpec } from "../../../src/frontends/dockerfile/convert/expose.ts";
import { parseSignal } from "../../../src/frontends/dockerfile/convert/signal.ts";
import { csvFields } from "../../../src/frontends/dockerfile/instructions/csv.ts";
import { parseHealthcheck } from "../../../src/frontends/dockerfile/instructions/healthcheck.ts";
import { parseMount } from "../../../src/frontends/dockerfile/instructions/mount.ts";
import { parseRamSize, parseUlimit } from "../../../src/frontends/dockerfile/instructions/units.ts";
import { parseDockerfile } from "../../../src/frontends/dockerfile/parse/parser.ts";
import { parseHeredoc } from "../../../src/frontends/dockerfile/parse/heredoc.ts";
import { envOfList, Lex } from "../../../src/frontends/dockerfile/shell/lex.ts";
import { search } from "../../../src/frontends/dockerfile/suggest.ts";
import { contentHashFacts } from "./content-hash.ts";
import type { Json, PieceCase } from "./case.ts";
import { firstDifference } from "./difference.ts";

type Input = { readonly [key: string]: Json };

/** "" when the case passes, else its first difference. */
export async function runPiece(name: string, one: PieceCase): Promise<string> {
  const run = PIECES[name];
  if (run === undefined) return "not built yet";
  const got = await run(one);
  return firstDifference(got, one.expected);
}

/** Pieces that this harness can replay. */
export function isPieceBuilt(name: string): boolean {
  return PIECES[name] !== undefined;
}

const PIECES: Readonly<Record<string, (one: PieceCase) => unknown>> = {
  shell: ({ input }) => shellFacts(input as Input),
  pattern: ({ input }) => orError(() => patternFacts(input as Input)),
  ignorefile: ({ input }) => ({ patterns: parseIgnoreFile(input as string) }),
  reference: ({ input }) => referenceFacts(input as string),
  platform: ({ kind, input }) => platformFacts(kind ?? "", input as Input),
  contenthash: (one) => contentHashFacts(one),
  flag: ({ kind, input }) => orError(() => FLAGS[kind ?? ""]?.(input as never) ?? "not built yet"),
};

function orError(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return { error: messageOf(error) };
  }
}

function shellFacts(input: Input): unknown {
  const lex = new Lex({
    escape: input["escape"] as string,
    rawQuotes: input["rawQuotes"] === true,
    rawEscapes: input["rawEscapes"] === true,
    skipProcessQuotes: input["skipProcessQuotes"] === true,
    skipUnsetEnv: input["skipUnsetEnv"] === true,
  });
  const env = envOfList(input["env"] as string[]);
  const word = input["word"] as string;
  return {
    word: orError(() => {
      const { result, matched, unmatched } = lex.expand(word, env);
      return { result, matched: Array.from(matched).sort(), unmatched: Array.from(unmatched).sort() };
    }),
    words: orError(() => ({ result: lex.words(word, env) })),
  };
}

function patternFacts(input: Input): unknown {
  const matcher = new PatternMatcher(input["patterns"] as string[]);
  const paths = (input["paths"] as string[]).map((path) => {
    let info: MatchInfo | undefined;
    let walk = false;
    const parts = cleanPath(path).split("/");
    for (let depth = 1; depth <= parts.length; depth++) {
      const step = matcher.matchesUsingParentResults(parts.slice(0, depth).join("/"), info);
      info = step.info;
      walk = step.matched;
    }
    return { path, orParent: matcher.matchesOrParentMatches(path), plain: matcher.matches(path), walk };
  });
  return {
    hasExclusions: matcher.hasExclusions,
    patterns: matcher.patterns.map(({ pattern, exclusion }) => ({ pattern, exclusion })),
    paths,
  };
}

function referenceFacts(input: string): unknown {
  const common = (ref: Reference) => ({
    name: referenceName(ref),
    string: referenceString(ref),
    tag: ref.tag,
    digest: ref.digest,
  });
  return {
    normalized: orError(() => {
      const ref = parseReference(input);
      return {
        ...common(ref),
        domain: ref.domain,
        path: ref.path,
        contextKey: contextKey(ref),
        familiarName: familiarName(ref),
        familiarString: familiarString(ref),
        isNameOnly: isNameOnly(ref),
        tagNameOnly: referenceString(tagNameOnly(ref)),
      };
    }),
    parse: orError(() => common(parsePlainReference(input))),
  };
}

function platformFacts(kind: string, input: Json): unknown {
  return orError(() => {
    switch (kind) {
      case "parse": {
        const parsed = parsePlatform(input as string);
        const normalized = normalizePlatform(parsed);
        return {
          parsed: ociPlatform(parsed),
          normalized: ociPlatform(normalized),
          format: formatPlatform(parsed),
          formatAll: formatAllPlatform(parsed),
          normalizedFormatAll: formatAllPlatform(normalized),
        };
      }
      case "normalize": {
        const given = input as Input;
        const normalized = normalizePlatform({
          os: (given["os"] as string | undefined) ?? "",
          architecture: (given["architecture"] as string | undefined) ?? "",
          ...(given["variant"] ? { variant: given["variant"] as string } : {}),
          ...(given["os.version"] ? { osVersion: given["os.version"] as string } : {}),
          ...(given["os.features"] ? { osFeatures: given["os.features"] as string[] } : {}),
        });
        return { normalized: ociPlatform(normalized), formatAll: formatAllPlatform(normalized) };
      }
      case "match":
        return matchFacts(input as Input);
      case "list":
        return { platforms: config.parsePlatformList(input as string).map(formatAllPlatform) };
      default:
        return "not built yet";
    }
  });
}

function ociPlatform({ os, architecture, variant, osVersion, osFeatures }: Platform): unknown {
  return { os, architecture, variant, osVersion, osFeatures };
}

function matchFacts(input: Input): unknown {
  const want = parsePlatform(input["want"] as string);
  const only = onlyMatcher(want);
  const strict = strictMatcher(want);
  const candidates = (input["candidates"] as string[]).map((text) => ({ text, platform: parsePlatform(text) }));
  const matching = candidates.filter(({ platform }) => only.matches(platform));
  return {
    candidates: candidates.map(({ text, platform }) => ({
      candidate: text,
      only: only.matches(platform),
      strict: strict.matches(platform),
      matcher: strict.matches(platform),
    })),
    preferenceOrder: matching.sort((a, b) => only.compare(a.platform, b.platform)).map(({ text }) => text),
  };
}

const SILENT = new Linter(DEFAULT_LINT_CONFIG, undefined);
const NET_MODES = ["UNSET", "HOST", "NONE"];

const FLAGS: Readonly<Record<string, (input: never) => unknown>> = {
  "healthcheck-interval": (input: string) => {
    const text = new TextEncoder().encode(`HEALTHCHECK --interval=${input} CMD x`);
    return { nanoseconds: String(parseHealthcheck(parseDockerfile(text).nodes[0]!).intervalNs) };
  },
  "ram-size": (input: string) => ({ bytes: String(parseRamSize(input)) }),
  ulimit: (input: string) => ulimitFacts(parseUlimit(input)),
  "ulimit-option": (input: string) => ({ ulimits: config.parseUlimits(input).map(ulimitFacts) }),
  ports: (input: string[]) => ({ ports: input.flatMap((port) => parsePortSpec(port, [], SILENT)) }),
  "extra-hosts-option": (input: string) => ({ hosts: config.parseExtraHosts(input) }),
  "shm-size-option": (input: string) => ({ bytes: String(config.parseShmSize(input)) }),
  "network-option": (input: string) => {
    const number = config.parseNetwork(input);
    return { number, netMode: NET_MODES[number] };
  },
  "resources-option": (input: Record<string, string>) => ({ resources: resourceFacts(input) }),
  signal: (input: string) => ({ number: parseSignal(input) }),
  "symbolic-mode": modeFacts,
  "csv-fields": (input: string) => ({ fields: csvFields(input) }),
  "heredoc-word": (input: string) => ({ heredoc: heredocFacts(input) }),
  "git-ref": gitFacts,
  suggest: ({ value, options, caseSensitive }: { value: string; options: string[]; caseSensitive: boolean }) => {
    const match = search(value, options, caseSensitive);
    return { match, found: match !== "" };
  },
  mount: (input: string) => {
    const { sizeBytes, ...mount } = parseMount(input, (word) => word);
    return { ...mount, sizeLimit: String(sizeBytes) };
  },
};

function ulimitFacts({ name, soft, hard }: ReturnType<typeof parseUlimit>): unknown {
  return { name, soft: String(soft), hard: String(hard) };
}

function resourceFacts(input: Record<string, string>): unknown {
  const resources = config.parseResources(input);
  if (resources === undefined) return null;
  const { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = resources;
  const numbers = { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota };
  const texts = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, value.toString()]));
  return { ...texts, cpusetCpus, cpusetMems };
}

function modeFacts(input: string): unknown {
  const change = tryParseSymbolicMode(input);
  if (change === undefined) throw new Error("invalid syntax");
  const applied: Record<string, string> = {};
  for (const start of [0, 0o600, 0o644, 0o755, 0o777]) {
    const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, "0");
    applied[octal(start)] = octal(change(start, false));
    applied[`d${octal(start)}`] = octal(change(start, true));
  }
  return { applied };
}

function heredocFacts(input: string): unknown {
  const heredoc = parseHeredoc(input);
  if (heredoc === undefined) return null;
  const { content: _, ...facts } = heredoc;
  return facts;
}

function gitFacts(input: string): unknown {
  const found = parseGitRef(input);
  if (found.kind === "none") return { isGit: false, error: found.reason };
  if (found.kind === "bad") return { isGit: true, error: found.error.message };
  const { unencryptedTcp, ...ref } = found.ref;
  return { isGit: true, ...ref, unencryptedTCP: unencryptedTcp };
}
