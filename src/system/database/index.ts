export { Database, openDatabase } from "./database.ts";
export type { DatabaseOptions, Statement } from "./database.ts";
