export { Store } from "./store.ts";
export type { StoreOptions } from "./store.ts";
