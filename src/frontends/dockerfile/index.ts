export { dockerfileFrontend } from "./frontend.ts";
