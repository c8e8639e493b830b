export { backgroundSha256 } from "./sha256.ts";
export type { BackgroundHash } from "./sha256.ts";
export { gzipPieces } from "./deflate.ts";
export type { GzipPieces } from "./deflate.ts";
export { ffiAvailable } from "./ffi.ts";
export type { Path } from "./ffi.ts";
export {
  copyFileRange,
  lockFile,
  makeDevice,
  makeNode,
  O_PATH,
  openIn,
  renameWith,
  setFdTimes,
  setTimes,
  splitDevice,
  syncFileSystem,
} from "./files.ts";
export type { OpenInOptions } from "./files.ts";
export { unlessMaking, whileMaking } from "./making.ts";
export { bindMount, mount, mountOverlay, MS, parseMounts, readMounts, unmount } from "./mounts.ts";
export type { MountInfo, OverlayMount } from "./mounts.ts";
export { canReadNames, NameReader, tryOpenFolder } from "./names.ts";
export { isPrivileged, tryOwn } from "./privileges.ts";
export { openPipe, posixSpawn, reap, waitForExit } from "./spawn.ts";
export type { ExitStatus, SpawnRequest } from "./spawn.ts";
export { getXattr, listXattrs, removeXattr, setXattr } from "./xattrs.ts";
