// How a call ended: code, sentence, and typed details, and their form in trailers.
// Spec: gRPC over HTTP/2, Responses; google.rpc.Status in grpc-status-details-bin.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { isAbort, isBuildError, messageOf } from "../../base/index.ts";
import type { Status } from "../../base/index.ts";
import { rpc } from "../../formats/proto/index.ts";
import { Metadata } from "./metadata.ts";

export const StatusCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type StatusCode = (typeof StatusCode)[keyof typeof StatusCode];

const NAMES: readonly Status[] = [
  "Unknown", // OK is no error
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

/** A `google.protobuf.Any`. */
export interface StatusDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface RpcErrorOptions {
  readonly details?: readonly StatusDetail[];
  readonly metadata?: Metadata;
  readonly cause?: unknown;
}

/** What a handler throws, and what a call rejects with. */
export class RpcError extends Error {
  readonly code: StatusCode;
  readonly details: readonly StatusDetail[];
  /** Of the trailers. */
  readonly metadata: Metadata;

  constructor(code: StatusCode, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RpcError";
    this.code = code;
    this.details = options.details ?? [];
    this.metadata = options.metadata ?? new Metadata();
  }

  /** The code's name as a BuildError has it. */
  get status(): Status {
    return NAMES[this.code] ?? "Unknown";
  }
}

/** The code of a status name. */
export function codeOf(status: Status): StatusCode {
  return (status === "Unknown" ? StatusCode.UNKNOWN : NAMES.indexOf(status)) as StatusCode;
}

/** Anything thrown, as a call ends with it. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (isBuildError(error)) return new RpcError(codeOf(error.status), error.message, { cause: error });
  if (isAbort(error)) return new RpcError(StatusCode.CANCELLED, "context canceled", { cause: error });
  return new RpcError(StatusCode.UNKNOWN, messageOf(error), { cause: error });
}

/** The trailers that say how a call ended; `undefined` is success. */
export function statusTrailers(error: RpcError | undefined, metadata: Metadata): Record<string, string | string[]> {
  if (error === undefined) return { ...metadata.toHeaders(), "grpc-status": "0" };
  const trailers: Record<string, string | string[]> = {
    ...metadata.toHeaders(),
    ...error.metadata.toHeaders(),
    "grpc-status": String(error.code),
    "grpc-message": percentEncode(error.message),
  };
  if (error.details.length > 0) {
    const status = create(rpc.StatusSchema, {
      code: error.code,
      message: error.message,
      details: error.details.map(({ typeUrl, value }) => create(AnySchema, { typeUrl, value })),
    });
    trailers["grpc-status-details-bin"] = Buffer.from(toBinary(rpc.StatusSchema, status)).toString("base64");
  }
  return trailers;
}

/** The error that trailers tell of, or undefined where the call went well. Trailers without a status are an error. */
export function errorFromTrailers(raw: readonly string[]): RpcError | undefined {
  let code: number | undefined;
  let message = "";
  let details: readonly StatusDetail[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase();
    const value = raw[index + 1]!;
    if (name === "grpc-status") code = /^\d+$/.test(value) ? Number(value) : StatusCode.UNKNOWN;
    else if (name === "grpc-message") message = percentDecode(value);
    else if (name === "grpc-status-details-bin") details = readDetails(value);
  }
  if (code === StatusCode.OK) return undefined;
  if (code === undefined) return new RpcError(StatusCode.INTERNAL, "the call ended without a status");
  const known = code <= StatusCode.UNAUTHENTICATED ? (code as StatusCode) : StatusCode.UNKNOWN;
  return new RpcError(known, message, { details, metadata: Metadata.fromRawHeaders(raw) });
}

function readDetails(base64: string): readonly StatusDetail[] {
  try {
    return fromBinary(rpc.StatusSchema, Buffer.from(base64, "base64")).details;
  } catch {
    return []; // the sentence still tells
  }
}

function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

function percentDecode(text: string): string {
  const bytes = Buffer.from(text, "latin1");
  const out: number[] = [];
  for (let index = 0; index < bytes.length; index++) {
    const hex = bytes[index] === 0x25 ? /^[0-9a-f]{2}$/i.exec(text.slice(index + 1, index + 3)) : null;
    if (hex) {
      out.push(Number.parseInt(hex[0], 16));
      index += 2;
    } else out.push(bytes[index]!);
  }
  return Buffer.from(out).toString("utf8");
}
