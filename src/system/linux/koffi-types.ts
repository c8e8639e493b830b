// The few of koffi's types that our FFI file uses; koffi exports the handle but not the function type.

export type { LibraryHandle } from "koffi";

/** A bound C function. */
export type KoffiFunction = (...args: unknown[]) => unknown;

/** koffi's watch on a file descriptor. */
export interface PollHandle {
  close(): void;
  ref(): void;
  unref(): void;
}
