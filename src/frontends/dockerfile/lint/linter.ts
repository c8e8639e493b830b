// Runs lint rules under a configuration: `# check=skip=…;experimental=…;error=…`, the build argument of the same form, and
// comments directly above an instruction. Counterpart: moby/buildkit frontend/dockerfile/linter/linter.go.

import { trimSpace } from "../../../formats/patterns/index.ts";
import { quote } from "../go/format.ts";
import { numberError, tryParseBool } from "../go/parse.ts";
import { cut } from "../go/text.ts";
import { DirectiveParser } from "../parse/directives.ts";
import { FrontendError, wrapError } from "../source-error.ts";
import type { Location } from "../source-error.ts";
import { LINT_RULES } from "./rules.ts";
import type { LintRule, LintRuleName } from "./rules.ts";

export interface LintConfig {
  readonly skipAll: boolean;
  readonly skip: readonly string[];
  readonly experimentalAll: boolean;
  readonly experimental: readonly string[];
  /** Any violation fails the build. */
  readonly error: boolean;
}

export const DEFAULT_LINT_CONFIG: LintConfig = {
  skipAll: false,
  skip: [],
  experimentalAll: false,
  experimental: [],
  error: false,
};

/** A rule that was violated. */
export interface LintWarning {
  readonly rule: LintRuleName;
  readonly description: string;
  readonly url: string;
  readonly message: string;
  readonly location: Location;
}

/** @throws FrontendError `invalid check option "…"` */
export function parseLintOptions(text: string): LintConfig {
  const options = trimSpace(text);
  const config = { ...DEFAULT_LINT_CONFIG };
  if (options === "") return config;
  const parts = options.split(";");
  if (parts.length > 3) parts.splice(2, parts.length, parts.slice(2).join(";"));
  for (const part of parts) {
    const { before, after, found } = cut(part, "=");
    if (!found) throw new FrontendError(`invalid check option ${quote(part)}`);
    const key = trimSpace(before);
    const value = trimSpace(after);
    const rules = value === "all" ? [] : value.split(",").map(trimSpace);
    if (key === "skip") Object.assign(config, value === "all" ? { skipAll: true } : { skip: rules });
    else if (key === "experimental") {
      Object.assign(config, value === "all" ? { experimentalAll: true } : { experimental: rules });
    } else if (key === "error") {
      const parsed = tryParseBool(value);
      if (parsed === undefined) {
        throw wrapError(
          numberError("ParseBool", value, "invalid syntax"),
          `failed to parse check option ${quote(part)}`,
        );
      }
      Object.assign(config, { error: parsed });
    } else throw new FrontendError(`invalid check option ${quote(key)}`);
  }
  return config;
}

/** Reports violations to a listener; without one, rules do not run. */
export class Linter {
  readonly #config: LintConfig;
  readonly #warn: ((warning: LintWarning) => void) | undefined;
  readonly #violated: Set<LintRuleName>;

  constructor(
    config: LintConfig,
    warn: ((warning: LintWarning) => void) | undefined,
    violated = new Set<LintRuleName>(),
  ) {
    this.#config = config;
    this.#warn = warn;
    this.#violated = violated;
  }

  /** Reports a violation unless the rule is off; `args` are what the rule's sentence is made from. */
  run(name: LintRuleName, location: Location, ...args: string[]): void {
    const rule: LintRule = LINT_RULES[name];
    const { skipAll, skip, experimentalAll, experimental } = this.#config;
    const isOn = rule.experimental ? experimentalAll || experimental.includes(name) : !skipAll && !skip.includes(name);
    if (this.#warn === undefined || !isOn) return;
    this.#violated.add(name);
    this.#warn({ rule: name, description: rule.description, url: rule.url, message: rule.format(...args), location });
  }

  /** A linter that also heeds a `check=` comment among the lines above an instruction. */
  mergedWithComments(comments: readonly string[] | undefined): Linter {
    for (const comment of comments ?? []) {
      const directive = new DirectiveParser({ comment: "" }).parseLine(comment);
      if (directive?.name !== "check") continue;
      let other: LintConfig;
      try {
        other = parseLintOptions(directive.value.split(" ", 1)[0]!);
      } catch {
        return this;
      }
      const mine = this.#config;
      const merged = {
        ...mine,
        skipAll: mine.skipAll || other.skipAll,
        skip: [...mine.skip, ...other.skip],
        experimentalAll: mine.experimentalAll || other.experimentalAll,
        experimental: [...mine.experimental, ...other.experimental],
      };
      return new Linter(merged, this.#warn, this.#violated);
    }
    return this;
  }

  /** @throws FrontendError when violations are configured to be errors and there was one */
  check(): void {
    if (!this.#config.error || this.#violated.size === 0) return;
    throw new FrontendError(`lint violation found for rules: ${Array.from(this.#violated).join(", ")}`);
  }
}
