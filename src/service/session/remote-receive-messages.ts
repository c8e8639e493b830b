// What crosses between the main thread, which has the connection, and the thread that writes received folders.

import type { ReceiverOptions } from "./remote-receiver.ts";

export type ToReceiver =
  | { readonly kind: "start"; readonly id: number; readonly options: ReceiverOptions }
  /** Packets, each after its length in four bytes. */
  | { readonly kind: "packets"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: "stop"; readonly id: number };

export type FromReceiver =
  /** So many bytes are dealt with; `answers` are packets for the sender. */
  | {
      readonly kind: "taken";
      readonly id: number;
      readonly bytes: number;
      readonly answers: readonly Uint8Array[];
      /** The sender has said its last word. */
      readonly finished: boolean;
    }
  | { readonly kind: "stopped"; readonly id: number }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly message: string;
      readonly code: string;
      readonly status: string | undefined;
    };
