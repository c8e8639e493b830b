// The generated messages, one namespace a file: `pb` (LLB), `control` (the Control API), `gateway` (what frontends ask), the session's
// services (`filesync`, `auth`, `secrets`, `sshforward`, `upload`, `content`, ...), and error details (`errdefs`, `stack`, `rpc`).
export * as auth from "./gen/auth_pb.js";
export * as caps from "./gen/caps_pb.js";
export * as content from "./gen/content_pb.js";
export * as control from "./gen/control_pb.js";
export * as errdefs from "./gen/errdefs_pb.js";
export * as sessionExporter from "./gen/exporter_pb.js";
export * as filesync from "./gen/filesync_pb.js";
export * as fsutil from "./gen/stat_pb.js";
export * as gateway from "./gen/gateway_pb.js";
export * as health from "./gen/health_pb.js";
export * as pb from "./gen/ops_pb.js";
export * as policy from "./gen/policy_pb.js";
export * as policySession from "./gen/policysession_pb.js";
export * as rpc from "./gen/status_pb.js";
export * as secrets from "./gen/secrets_pb.js";
export * as sshforward from "./gen/sshforward_pb.js";
export * as stack from "./gen/stack_pb.js";
export * as upload from "./gen/upload_pb.js";
export * as wire from "./gen/wire_pb.js";
export * as worker from "./gen/worker_pb.js";
