export { listLocal } from "./local-filter.ts";
export type { LocalFilter } from "./local-filter.ts";
export {
  fillIn,
  hashLocal,
  hashLocalHere,
  isQuickFolder,
  localJobs,
  recallLocal,
  unanswered,
  wasHashed,
} from "./local-jobs.ts";
export type { HashLocalInput, HashLocalOutcome } from "./local-jobs.ts";
export { abandonSharedFiles } from "./shared-digests.ts";
export type { SharedFiles } from "./shared-digests.ts";
export { LocalTree, openSourceTree } from "./local-tree.ts";
export type { SourceSpec, SourceTree } from "./local-tree.ts";
export { gitCacheKey, parseGitIdentifier } from "./git-identifier.ts";
export type { GitIdentifier, GitResolved } from "./git-identifier.ts";
export { GitSource } from "./git-source.ts";
export { httpCacheKey, httpTimeMs, parseHttpIdentifier } from "./http-identifier.ts";
export type { HttpIdentifier } from "./http-identifier.ts";
export { HttpSource } from "./http-source.ts";
export type { HttpAsker, HttpFile } from "./http-source.ts";
export { imageCacheKeys } from "./image-cache-keys.ts";
export type { ResolvedImage } from "./image.ts";
export { ImageSource, repositoriesOf } from "./image-source.ts";
export type { ImageResolveMode, LocalImages } from "./image-source.ts";
export { OciLayoutSource } from "./oci-layout.ts";
export { sessionBlobs, SessionStores } from "./session-stores.ts";
