export { dockerfileFrontend } from "./frontend.ts";
export { search as suggest } from "./suggest.ts";
