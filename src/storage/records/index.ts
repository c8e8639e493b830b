export { SqliteKeyStorage } from "./key-storage.ts";
export { SourceRecords, sourceRecordsSchema } from "./source-records.ts";
export type { SourceRecord } from "./source-records.ts";
export { recordsByBytesSchema, recordsByOutputSchema, recordsSchema } from "./schema.ts";
