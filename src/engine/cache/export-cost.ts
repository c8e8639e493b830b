// What `mode=auto` goes by: a result is worth exporting when making it anew takes longer than writing it, and fetching it on the next
// runner. Estimates on the careful side: caching what is cheap costs every build, not caching it costs one step.

export interface StepCost {
  /** How long the step ran, in milliseconds. */
  readonly tookMs: number;
  /** What its layer holds, uncompressed. */
  readonly sizeBytes: number;
}

export interface ExportChoice {
  readonly isWorth: boolean;
  /** The estimate as a phrase. */
  readonly reason: string;
}

/** Packing and unpacking together, and the network of a usual CI runner, in bytes of uncompressed content a millisecond. */
const PACK_BYTES_A_MS = 100_000;
const MOVE_BYTES_A_MS = 60_000;
/** For each blob: looking whether it is there, an open, a rename. */
const EACH_MS = 20;

export function worthExporting({ tookMs, sizeBytes }: StepCost): ExportChoice {
  const transferMs = EACH_MS + sizeBytes / PACK_BYTES_A_MS + (2 * sizeBytes) / MOVE_BYTES_A_MS;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  return {
    isWorth: tookMs > transferMs,
    reason: `${seconds(tookMs)} to make, about ${seconds(transferMs)} to write and fetch ${(sizeBytes / 1e6).toFixed(1)} MB`,
  };
}
