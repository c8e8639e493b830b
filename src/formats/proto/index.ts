// The generated messages, one namespace a file: `pb` (LLB), `control` (the Control API), `policy`, `worker`, `rpc`.
export * as control from "./gen/control_pb.js";
export * as pb from "./gen/ops_pb.js";
export * as policy from "./gen/policy_pb.js";
export * as rpc from "./gen/status_pb.js";
export * as worker from "./gen/worker_pb.js";
