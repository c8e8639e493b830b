// Proxies of docker's configuration file, handed to every build as build arguments unless given there already.
// Counterpart: docker/buildx store/storeutil GetProxyConfig.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, messageOf } from "../base/index.ts";

const names = {
  httpProxy: "HTTP_PROXY",
  httpsProxy: "HTTPS_PROXY",
  noProxy: "NO_PROXY",
  ftpProxy: "FTP_PROXY",
  allProxy: "ALL_PROXY",
} as const;

/** Build arguments by name; none without a file. @throws Error when the file is no JSON. */
export function proxyBuildArgs(env: Readonly<Record<string, string | undefined>>): Map<string, string> {
  const dir = env["DOCKER_CONFIG"] || (env["HOME"] ? join(env["HOME"], ".docker") : "");
  const found = new Map<string, string>();
  if (dir === "") return found;
  const file = join(dir, "config.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return found; // docker's configuration is optional, and an unreadable one is somebody else's
  }
  let proxies: Record<string, unknown>;
  try {
    const config = JSON.parse(text) as { proxies?: { default?: Record<string, unknown> } } | null;
    proxies = config?.proxies?.default ?? {};
  } catch (error) {
    throw new Error(`${file}: ${messageOf(error)}`, { cause: error });
  }
  for (const [key, name] of Object.entries(names)) {
    const value = proxies[key];
    if (typeof value === "string" && value !== "") found.set(name, value);
  }
  return found;
}
