import type { Frontend } from "../gateway/index.ts";
import type { baseImages } from "./base-images.ts";

export { isBuiltIn } from "./syntax-images.ts";
export { parseGitRef } from "./context/git-ref.ts";

/** The frontend; it is loaded when a build needs it, as those who only ask what an address is must not wait for it. */
export const dockerfileFrontend: Frontend = async (client, signal) =>
  (await import("./frontend.ts")).dockerfileFrontend(client, signal);

/** Tells the images that a Dockerfile's stages start from; loaded for those who need it. */
export async function loadBaseImages(): Promise<typeof baseImages> {
  return (await import("./base-images.ts")).baseImages;
}
