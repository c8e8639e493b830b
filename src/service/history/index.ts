export { BuildLog } from "./build-log.ts";
export type { StepCounts } from "./build-log.ts";
export { BuildHistory, DEFAULT_HISTORY } from "./history.ts";
export type { HistoryLimits } from "./history.ts";
export { durationMs, parseRecordFilters } from "./history-filter.ts";
export { BuildRecording } from "./recording.ts";
export { readStatusLog } from "./status-log.ts";
