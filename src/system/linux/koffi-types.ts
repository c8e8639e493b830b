// The few of koffi's types that our FFI file uses; koffi exports the handle but not the function type.

import type * as koffi from "koffi";

export type { LibraryHandle } from "koffi";

/** The module itself. */
export type Koffi = typeof koffi;

/** A bound C function. */
export type KoffiFunction = (...args: unknown[]) => unknown;

/** koffi's watch on a file descriptor. */
export interface PollHandle {
  close(): void;
  ref(): void;
  unref(): void;
}
