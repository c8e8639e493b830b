// Values of driver options.

import { BuildError } from "../../base/index.ts";

/** `512m`, `2g`, `1024`. @throws DRIVER_OPTION_INVALID. */
export function bytesOption(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s?([kmgt]?)i?b?$/i.exec(text);
  if (match === null) throw invalidOption(name, text, "a size such as 512m or 2g");
  return Math.trunc(Number(match[1]) * 1024 ** ["", "k", "m", "g", "t"].indexOf(match[2]!.toLowerCase()));
}

/** A number that is not negative. @throws DRIVER_OPTION_INVALID. */
export function numberOption(name: string, text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw invalidOption(name, text, "a number");
  return Number(text);
}

/** `env.NAME=VALUE` options as NAME=VALUE. */
export function environmentOptions(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flatMap(([key, value]) =>
    key.startsWith("env.") && key !== "env." ? [`${key.slice("env.".length)}=${value}`] : [],
  );
}

/** What is wrong with an option's value, and what it should be. */
export function invalidOption(name: string, text: string, hint: string): BuildError {
  return new BuildError(`invalid driver option ${name}=${JSON.stringify(text)}`, {
    code: "DRIVER_OPTION_INVALID",
    status: "InvalidArgument",
    hint,
  });
}
