// What crosses between the main thread, which has the connections, and the thread that reads and writes folders.

import type { ReceiverOptions } from "./remote-receiver.ts";

export type ToSync =
  | { readonly kind: "receive"; readonly id: number; readonly options: ReceiverOptions }
  | { readonly kind: "send"; readonly id: number; readonly folder: string }
  /** Packets of the peer's, each after its length in four bytes. */
  | { readonly kind: "packets"; readonly id: number; readonly bytes: Uint8Array }
  /** So many bytes of packets for the peer are sent. */
  | { readonly kind: "sent"; readonly id: number; readonly bytes: number }
  | { readonly kind: "stop"; readonly id: number };

export type FromSync =
  | {
      readonly kind: "taken";
      readonly id: number;
      /** So many bytes of the peer's packets are dealt with. */
      readonly bytes: number;
      /** Packets for the peer. */
      readonly answers: readonly Uint8Array[];
      /** Both sides have said their last word. */
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
