// Reads in-toto statements that a scanner has written, a file each. The files are hostile: no link is followed, sizes are bounded,
// and nobody but the builder itself may speak of provenance. Counterpart: moby/buildkit exporter/attestation/unbundle.go.

import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { BuildError, errnoOf } from "../../base/index.ts";
import { goJson } from "../../formats/oci/index.ts";
import type { AttestationBundle } from "../../frontends/gateway/index.ts";
import { openIn } from "../../system/linux/index.ts";
import type { Subject } from "../exporters/index.ts";

export interface BundledStatement {
  readonly path: string;
  readonly predicateType: string;
  readonly subjects: readonly Subject[];
  /** As JSON. */
  readonly predicate: Uint8Array;
  /** It describes the result itself. */
  readonly isCore: boolean;
}

const MOST_BYTES = 40 << 20;
const PROVENANCE = "https://slsa.dev/provenance/";

/** The statements of a bundle, `root` its tree; that about the result itself first. @throws ATTESTATION_INVALID. */
export function readBundle(root: string, bundle: AttestationBundle): BundledStatement[] {
  const statements = namesIn(root, bundle.path)
    .toSorted()
    .map((name): BundledStatement => {
      const statement = parseStatement(readRegular(root, `${bundle.path}/${name}`, name), name);
      if (statement.predicateType.startsWith(PROVENANCE))
        throw invalid(name, "frontend may not bundle provenance attestations");
      if (bundle.predicateType !== "" && statement.predicateType !== bundle.predicateType)
        throw invalid(
          name,
          `bundle entry ${statement.predicateType} does not match required predicate type ${bundle.predicateType}`,
        );
      return { ...statement, path: name, isCore: bundle.core !== "" && name.split(".", 1)[0] === bundle.core };
    });
  return statements.toSorted((a, b) => Number(b.isCore) - Number(a.isCore));
}

/** Names in a folder, which is found inside the tree whatever links say. */
function namesIn(tree: string, folder: string): string[] {
  const root = openSync(tree, constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = openIn(root, relativeOf(folder), { flags: constants.O_RDONLY | constants.O_DIRECTORY });
    return readdirSync(`/proc/self/fd/${fd}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
    closeSync(root);
  }
}

function relativeOf(path: string): string {
  return path.replace(/^\/+/, "") || ".";
}

function readRegular(tree: string, path: string, name: string): Buffer {
  const root = openSync(tree, constants.O_RDONLY | constants.O_DIRECTORY);
  let fd: number | undefined;
  try {
    fd = openIn(root, relativeOf(path), { flags: constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW });
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw invalid(name, "it is not a regular file");
    if (stat.size > MOST_BYTES) throw invalid(name, `it exceeds ${MOST_BYTES} bytes`);
    return readFileSync(fd);
  } catch (error) {
    if (errnoOf(error) === "ELOOP") throw invalid(name, "it is not a regular file");
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
    closeSync(root);
  }
}

function parseStatement(
  bytes: Buffer,
  name: string,
): Pick<BundledStatement, "predicateType" | "subjects" | "predicate"> {
  let statement: unknown;
  try {
    statement = JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw invalid(name, "cannot decode in-toto statement", error);
  }
  if (!isObject(statement)) throw invalid(name, "in-toto statement is not a single JSON object");
  const { predicateType = "", subject = [], predicate = null } = statement;
  if (typeof predicateType !== "string") throw invalid(name, "cannot decode in-toto statement");
  const subjects = Array.isArray(subject) ? (subject as unknown[]) : [];
  return {
    predicateType,
    subjects: subjects.map((each) => readSubject(each, name)),
    predicate: Buffer.from(goJson(sorted(predicate))),
  };
}

function readSubject(value: unknown, name: string): Subject {
  const digest = isObject(value) ? value["digest"] : undefined;
  if (!isObject(value) || !isObject(digest) || !Object.values(digest).every((each) => typeof each === "string"))
    throw invalid(name, "cannot decode in-toto statement");
  return {
    name: typeof value["name"] === "string" && value["name"] !== "" ? value["name"] : "_",
    digest: digest as Record<string, string>,
  };
}

/** Objects as Go's maps, which are written sorted. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  return isObject(value) ? new Map(Object.entries(value).map(([key, item]) => [key, sorted(item)])) : value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(name: string, why: string, cause?: unknown): BuildError {
  return new BuildError(`attestation ${JSON.stringify(name)}: ${why}`, {
    code: "ATTESTATION_INVALID",
    status: "InvalidArgument",
    hint: "the scanner writes in-toto statements, one a file, to $BUILDKIT_SCAN_DESTINATION",
    cause,
  });
}
