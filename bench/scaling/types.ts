// Cost against size, as the scaling part measures it.

export interface Curve {
  readonly id: string;
  readonly title: string;
  /** What `size` counts. */
  readonly unit: string;
  readonly points: readonly { readonly size: number; readonly cost: number }[];
  /** Fitted `b` of cost = a * size ** b, over the sizes where the work is more than the start. */
  readonly exponent: number;
}
