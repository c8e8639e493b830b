export { dockerfileFrontend } from "./frontend.ts";
export { baseImages } from "./base-images.ts";
export { isBuiltIn } from "./syntax-images.ts";
export { parseGitRef } from "./context/git-ref.ts";
