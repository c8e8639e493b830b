export { byteString, bytesOf, fsPath, textOf } from "./bytes.ts";
export type { ByteString } from "./bytes.ts";
export { Digester, digestOf, hexOf, isDigest, parseDigest } from "./digest.ts";
export type { Digest } from "./digest.ts";
export { BuildError, errnoOf, isAbort, isBuildError, messageOf, redact } from "./errors.ts";
export type { BuildErrorOptions, LineRange, SourceSpan, Status } from "./errors.ts";
export { FlightControl, raceAbort } from "./flight.ts";
export { TaskScope } from "./scope.ts";
export { Semaphore } from "./semaphore.ts";
