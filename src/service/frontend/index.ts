export { runFrontend } from "./run-frontend.ts";
