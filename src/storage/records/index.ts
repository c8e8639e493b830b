export { SqliteKeyStorage } from "./key-storage.ts";
export { recordsByOutputSchema, recordsSchema } from "./schema.ts";
