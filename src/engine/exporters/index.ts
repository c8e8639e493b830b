// placeholder while the room is being written by its owner: overwrite me
export type * from "./types.ts";
export const imagesSchema = "CREATE TABLE images (name TEXT PRIMARY KEY);";
export class ImageStore {
  constructor(_db: unknown, _content: unknown) {}
  lookup(_ref: string): undefined { return undefined; }
  refOf(_m: string): string | undefined { return undefined; }
  referencedRefs(): Set<string> { return new Set(); }
  referencedDigests(): Set<string> { return new Set(); }
}
export function createExporter(type: string, _attrs: unknown): any { return { name: `exporting to ${type}`, export: async () => ({}) }; }
