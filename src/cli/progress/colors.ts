// Colours of the live display: none when NO_COLOR is set; BUILDKIT_COLORS ("run=green:error=1,2,3:cancel=…:warning=…") changes them.
// Counterpart: moby/buildkit util/progress/progressui/{init,colors}.go.

import { styleText } from "node:util";

export interface Colors {
  readonly run: Paint;
  readonly cancel: Paint;
  readonly error: Paint;
  readonly warning: Paint;
  readonly faint: Paint;
}
type Paint = (text: string) => string;

const names: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  black: "black",
  blue: "blue",
  cyan: "cyan",
  green: "green",
  magenta: "magenta",
  red: "red",
  white: "white",
  yellow: "yellow",
  "light-black": "gray",
  "light-blue": "blueBright",
  "light-cyan": "cyanBright",
  "light-green": "greenBright",
  "light-magenta": "magentaBright",
  "light-red": "redBright",
  "light-white": "whiteBright",
  "light-yellow": "yellowBright",
};

const none: Paint = (text) => text;

/** The colours for an environment; entries of BUILDKIT_COLORS that make no sense are left out. */
export function colorsFor(env: Readonly<Record<string, string | undefined>>, enabled: boolean): Colors {
  if (!enabled || (env["NO_COLOR"] ?? "") !== "")
    return { run: none, cancel: none, error: none, warning: none, faint: none };
  const paints: Record<string, Paint> = {
    run: style("blue"),
    cancel: style("yellow"),
    error: style("red"),
    warning: style("yellow"),
  };
  for (const entry of (env["BUILDKIT_COLORS"] ?? "").split(":")) {
    const [key = "", value = ""] = entry.toLowerCase().split("=");
    const paint = paintOf(value);
    if (paint && key in paints) paints[key] = paint;
  }
  return {
    run: paints["run"]!,
    cancel: paints["cancel"]!,
    error: paints["error"]!,
    warning: paints["warning"]!,
    faint: style("dim"),
  };
}

function paintOf(value: string): Paint | undefined {
  if (value === "default") return none;
  if (value in names) return style(names[value]!);
  const rgb = /^"?(\d{1,3}),(\d{1,3}),(\d{1,3})"?$/.exec(value)?.slice(1).map(Number);
  if (!rgb || rgb.some((part) => part > 255)) return undefined;
  return (text) => `\u001b[38;2;${rgb.join(";")}m${text}\u001b[39m`;
}

function style(format: Parameters<typeof styleText>[0]): Paint {
  return (text) => styleText(format, text, { validateStream: false });
}
