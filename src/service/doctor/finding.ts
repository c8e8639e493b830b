// What a look at the machine found: whether it is well, what it costs where it is not, and what to do.

export interface Finding {
  /** "runtime", "overlay", "disk", ... */
  readonly area: string;
  /** `slow`: it works, and could be better; `missing`: something won't work. */
  readonly state: "good" | "slow" | "missing";
  readonly text: string;
  /** What it costs the user, or undefined where it costs nothing. */
  readonly cost?: string;
  readonly remedy?: string;
}
