export { createDisplay, displayModes } from "./display.ts";
export type { DisplayMode } from "./display.ts";
export { sourceExcerpt } from "./source-excerpt.ts";
export { printableLine, textWidth } from "./text-width.ts";
export { warningSummary } from "./warnings.ts";
