// COPY and ADD: sources, destination, flags. Counterpart: frontend/dockerfile/instructions/parse.go.

import { chompTabs, tryParseHeredoc } from "../parse/heredoc.ts";
import type { Heredoc } from "../parse/heredoc.ts";
import type { Node } from "../parse/parser.ts";
import { FrontendError } from "../source-error.ts";
import { parseFlags } from "./flags.ts";
import type { AddCommand, CopyCommand, SourceContent, SourcesAndDest } from "./types.ts";

type Facts<T> = Omit<T, "kind" | "name" | "code" | "location" | "comments">;

/** @throws FrontendError */
export function parseAdd(node: Node): Facts<AddCommand> {
  requireDestination(node, "ADD");
  const flags = parseFlags(node.flags, {
    chown: "string",
    chmod: "string",
    link: "bool",
    "keep-git-dir": "bool",
    checksum: "string",
    unpack: "bool",
    exclude: "strings",
  });
  return {
    files: parseSources(node, "ADD"),
    chown: flags.string("chown"),
    chmod: flags.string("chmod"),
    checksum: flags.string("checksum"),
    link: flags.bool("link"),
    keepGitDir: flags.optionalBool("keep-git-dir"),
    unpack: flags.optionalBool("unpack"),
    exclude: flags.strings("exclude"),
  };
}

/** @throws FrontendError */
export function parseCopy(node: Node): Facts<CopyCommand> {
  requireDestination(node, "COPY");
  const flags = parseFlags(node.flags, {
    chown: "string",
    from: "string",
    chmod: "string",
    link: "bool",
    exclude: "strings",
    parents: "bool",
  });
  return {
    files: parseSources(node, "COPY"),
    from: flags.string("from"),
    chown: flags.string("chown"),
    chmod: flags.string("chmod"),
    link: flags.bool("link"),
    parents: flags.bool("parents"),
    exclude: flags.strings("exclude"),
  };
}

function requireDestination(node: Node, instruction: string): void {
  if (node.args.length >= 2) return;
  throw new FrontendError(
    `${instruction} requires at least two arguments, but only one was provided. Destination could not be determined`,
  );
}

function parseSources(node: Node, instruction: string): SourcesAndDest {
  const dest = node.args.at(-1)!;
  if (tryParseHeredoc(dest) !== undefined) {
    throw new FrontendError(`${instruction} cannot accept a heredoc as a destination`);
  }
  const byName = new Map<string, Heredoc>(node.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const sources: string[] = [];
  const contents: SourceContent[] = [];
  for (const source of node.args.slice(0, -1)) {
    const heredoc = tryParseHeredoc(source);
    if (heredoc === undefined) {
      sources.push(source);
      continue;
    }
    const content = byName.get(heredoc.name)?.content ?? "";
    contents.push({
      path: heredoc.name,
      data: heredoc.chomp ? chompTabs(content) : content,
      expand: heredoc.expand,
    });
  }
  return { dest, sources, contents };
}
