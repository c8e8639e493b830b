export { dockerfileFrontend } from "./frontend.ts";
export { parseGitRef } from "./context/git-ref.ts";
