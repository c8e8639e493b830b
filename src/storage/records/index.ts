export { SqliteKeyStorage } from "./key-storage.ts";
export { recordsSchema } from "./schema.ts";
