export { BlobFetcher } from "./blob-fetcher.ts";
export type { BlobProvider, FetchOptions, FetchProgress } from "./blob-fetcher.ts";
export { anonymous, DockerCredentials } from "./credentials.ts";
export type { Credential, Credentials, DockerCredentialsOptions } from "./credentials.ts";
export type { RegistriesSettings, RegistrySettings } from "./endpoints.ts";
export { RegistryClient } from "./registry-client.ts";
export type { ReceivedManifest, RegistryClientOptions } from "./registry-client.ts";
