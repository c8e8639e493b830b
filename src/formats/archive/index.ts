export { Compressor, decompress, DEFAULT_LEVEL, detectCompression } from "./compression.ts";
export type { Compression, CompressorOptions } from "./compression.ts";
export { NO_XATTRS } from "./entry.ts";
export type { EntryType, TarEntry } from "./entry.ts";
export { TarReader } from "./tar-reader.ts";
export type { TarHandler } from "./tar-reader.ts";
export { encodeHeader, paddingAfter, TAR_END } from "./tar-writer.ts";
export { OPAQUE_NAME, whiteoutName, whiteoutOf } from "./whiteout.ts";
export type { Whiteout } from "./whiteout.ts";
