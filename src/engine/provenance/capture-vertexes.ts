// Reads from vertexes what a provenance statement says of them. Counterpart: moby/buildkit solver/llbsolver/provenance.go
// captureProvenance, source/*/identifier.go Capture.

import { pb } from "../../formats/proto/index.ts";
import type { TracedVertex } from "../../graph/solver/index.ts";
import type { EngineResult, VertexSys } from "../ops/index.ts";
import { parseGitIdentifier, parseHttpIdentifier } from "../sources/index.ts";
import type { Capture } from "./capture.ts";

/** Adds what each vertex read and needed. */
export function captureVertexes(vertexes: readonly TracedVertex<EngineResult>[], capture: Capture): void {
  for (const { vertex, pin } of vertexes) {
    const sys = vertex.sys as VertexSys;
    const { op } = sys.op;
    if (op.case === "source") captureSource(op.value, pin ?? "", sys, capture);
    else if (op.case === "exec") captureExec(op.value, capture);
    else if (op.case === "build") capture.incompleteMaterials = true;
  }
}

function captureSource({ identifier, attrs }: pb.SourceOp, pin: string, sys: VertexSys, capture: Capture): void {
  const at = identifier.indexOf("://");
  const [scheme, rest] = [identifier.slice(0, at), identifier.slice(at + 3)];
  switch (scheme) {
    case "docker-image":
    case "oci-layout":
      capture.addImage({ ref: rest, platform: sys.platform, digest: pin, local: scheme === "oci-layout" });
      return;
    case "http":
    case "https":
      capture.addHttp(identifier, pin);
      if (parseHttpIdentifier(identifier, attrs).authHeaderSecret !== "")
        capture.addSecret({ id: parseHttpIdentifier(identifier, attrs).authHeaderSecret, optional: true });
      return;
    case "git": {
      const id = parseGitIdentifier(identifier, attrs);
      capture.addGit(id.ref === "" ? id.remote : `${id.remote}#${id.ref}`, pin);
      for (const secret of [id.authTokenSecret, id.authHeaderSecret])
        if (secret !== "") capture.addSecret({ id: secret, optional: true });
      if (id.sshAgent !== "") capture.addSsh({ id: id.sshAgent, optional: true });
      return;
    }
    case "local":
      capture.addLocal(rest);
      return;
  }
}

function captureExec(op: pb.ExecOp, capture: Capture): void {
  for (const { mountType, secretOpt, SSHOpt } of op.mounts) {
    if (mountType === pb.MountType.SECRET)
      capture.addSecret({ id: secretOpt?.ID ?? "", optional: secretOpt?.optional ?? false });
    if (mountType === pb.MountType.SSH) capture.addSsh({ id: SSHOpt?.ID ?? "", optional: SSHOpt?.optional ?? false });
  }
  for (const { ID, optional } of op.secretenv) capture.addSecret({ id: ID, optional });
  if (op.network !== pb.NetMode.NONE) capture.networkAccess = true;
}
