// The lint rules: their texts are BuildKit's, word for word, since users look them up.
// Counterpart: moby/buildkit frontend/dockerfile/linter/ruleset.go.

import { quote } from "../go/format.ts";

export interface LintRule {
  readonly description: string;
  readonly url: string;
  /** Off unless asked for. */
  readonly experimental?: boolean;
  readonly format: (...args: string[]) => string;
}

const URL_BASE = "https://docs.docker.com/go/dockerfile/rule/";

function suggested(text: string, suggestion: string, prefix = ""): string {
  return suggestion === "" ? text : `${text} (did you mean ${prefix}${suggestion}?)`;
}

/** Every rule by name. */
export const LINT_RULES = {
  StageNameCasing: {
    description: "Stage names should be lowercase",
    url: `${URL_BASE}stage-name-casing/`,
    format: (name) => `Stage name '${name}' should be lowercase`,
  },
  FromAsCasing: {
    description: "The 'as' keyword should match the case of the 'from' keyword",
    url: `${URL_BASE}from-as-casing/`,
    format: (from, as) => `'${as}' and '${from}' keywords' casing do not match`,
  },
  NoEmptyContinuation: {
    description: "Empty continuation lines will become errors in a future release",
    url: `${URL_BASE}no-empty-continuation/`,
    format: () => "Empty continuation line",
  },
  ConsistentInstructionCasing: {
    description: "All commands within the Dockerfile should use the same casing (either upper or lower)",
    url: `${URL_BASE}consistent-instruction-casing/`,
    format: (command, casing) => `Command '${command}' should match the case of the command majority (${casing})`,
  },
  DuplicateStageName: {
    description: "Stage names should be unique",
    url: `${URL_BASE}duplicate-stage-name/`,
    format: (name = "") => `Duplicate stage name ${quote(name)}, stage names should be unique`,
  },
  ReservedStageName: {
    description: "Reserved words should not be used as stage names",
    url: `${URL_BASE}reserved-stage-name/`,
    format: (name = "") => `Stage name should not use the same name as reserved stage ${quote(name)}`,
  },
  JSONArgsRecommended: {
    description: "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    url: `${URL_BASE}json-args-recommended/`,
    format: (name) => `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`,
  },
  MaintainerDeprecated: {
    description: "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    url: `${URL_BASE}maintainer-deprecated/`,
    format: () => "Maintainer instruction is deprecated in favor of using label",
  },
  UndefinedArgInFrom: {
    description: "FROM command must use declared ARGs",
    url: `${URL_BASE}undefined-arg-in-from/`,
    format: (arg, suggestion = "") => suggested(`FROM argument '${arg}' is not declared`, suggestion),
  },
  WorkdirRelativePath: {
    description:
      "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    url: `${URL_BASE}workdir-relative-path/`,
    format: (path = "") => `Relative workdir ${quote(path)} can have unexpected results if the base image changes`,
  },
  UndefinedVar: {
    description: "Variables should be defined before their use",
    url: `${URL_BASE}undefined-var/`,
    format: (name, suggestion = "") => suggested(`Usage of undefined variable '$${name}'`, suggestion, "$"),
  },
  MultipleInstructionsDisallowed: {
    description: "Multiple instructions of the same type should not be used in the same stage",
    url: `${URL_BASE}multiple-instructions-disallowed/`,
    format: (name) =>
      `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`,
  },
  LegacyKeyValueFormat: {
    description: "Legacy key/value format with whitespace separator should not be used",
    url: `${URL_BASE}legacy-key-value-format/`,
    format: (name) => `"${name} key=value" should be used instead of legacy "${name} key value" format`,
  },
  InvalidBaseImagePlatform: {
    description: "Base image platform does not match expected target platform",
    url: "",
    format: (image, expected = "", actual = "") =>
      `Base image ${image} was pulled with platform ${quote(actual)}, expected ${quote(expected)} for current build`,
  },
  RedundantTargetPlatform: {
    description: "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    url: `${URL_BASE}redundant-target-platform/`,
    format: (variable) =>
      `Setting platform to predefined ${variable} in FROM is redundant as this is the default behavior`,
  },
  SecretsUsedInArgOrEnv: {
    description: "Sensitive data should not be used in the ARG or ENV commands",
    url: `${URL_BASE}secrets-used-in-arg-or-env/`,
    format: (instruction, key = "") =>
      `Do not use ARG or ENV instructions for sensitive data (${instruction} ${quote(key)})`,
  },
  InvalidDefaultArgInFrom: {
    description: "Default value for global ARG results in an empty or invalid base image name",
    url: `${URL_BASE}invalid-default-arg-in-from/`,
    format: (name) => `Default value for ARG ${name} results in empty or invalid base image name`,
  },
  FromPlatformFlagConstDisallowed: {
    description: "FROM --platform flag should not use a constant value",
    url: `${URL_BASE}from-platform-flag-const-disallowed/`,
    format: (platform = "") => `FROM --platform flag should not use constant value ${quote(platform)}`,
  },
  CopyIgnoredFile: {
    description: "Attempting to Copy file that is excluded by .dockerignore",
    url: `${URL_BASE}copy-ignored-file/`,
    format: (command, file = "") => `Attempting to ${command} file ${quote(file)} that is excluded by .dockerignore`,
  },
  InvalidDefinitionDescription: {
    description:
      "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    url: `${URL_BASE}invalid-definition-description/`,
    experimental: true,
    format: (instruction, name) => `Comment for ${instruction} should follow the format: \`# ${name} <description>\``,
  },
  ExposeProtoCasing: {
    description: "Protocol in EXPOSE instruction should be lowercase",
    url: `${URL_BASE}expose-proto-casing/`,
    format: (port) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  },
  ExposeInvalidFormat: {
    description:
      "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release",
    url: `${URL_BASE}expose-invalid-format/`,
    format: (port) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  },
} as const satisfies Record<string, LintRule>;

export type LintRuleName = keyof typeof LINT_RULES;
