// The list of warnings after a build. Counterpart: docker/buildx commands/build.go printWarnings.

import type { control } from "../../formats/proto/index.ts";
import { sourceExcerpt } from "./source-excerpt.ts";

/** The list, or nothing without warnings; `expand` adds details, links and excerpts. */
export function warningSummary(warnings: readonly control.VertexWarning[], { expand }: { expand: boolean }): string {
  if (warnings.length === 0) return "";
  const count = warnings.length === 1 ? "1 warning found" : `${warnings.length} warnings found`;
  let out = `\n ${count}${expand ? "" : " (use --debug to expand)"}:\n`;
  for (const warning of warnings) {
    out += ` - ${text(warning.short)}\n`;
    if (!expand) continue;
    for (const detail of warning.detail) out += `${text(detail)}\n`;
    if (warning.url !== "") out += `More info: ${warning.url}\n`;
    const rule = /^([A-Z][A-Za-z]+): /.exec(text(warning.short))?.[1];
    if (rule !== undefined && warning.url.includes("/dockerfile/rule/")) out += `More info: docs/rules/${rule}.md\n`;
    if (warning.info) {
      out += sourceExcerpt({
        filename: warning.info.filename,
        language: warning.info.language,
        text: warning.info.data,
        ranges: warning.ranges.map(({ start, end }) => ({ start: start?.line ?? 0, end: end?.line ?? 0 })),
      });
    }
    out += "\n";
  }
  return out;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
