// The subrequest `frontend.convertllb`: the definition of a target as JSON. Counterpart: frontend/subrequests/convertllb.

import { toJson } from "@bufbuild/protobuf";
import { pb } from "../../../formats/proto/index.ts";
import { decodeDefinition, marshalState } from "../../../graph/llb/index.ts";
import type { BuildClient, Entrypoint } from "../context/client.ts";
import { convert } from "../convert/convert.ts";
import { indentedJson } from "./json.ts";

/** @throws FrontendError when the Dockerfile cannot be converted */
export async function convertLlbSubrequest(
  client: BuildClient,
  entrypoint: Entrypoint,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const options = { client, file: entrypoint.file, targetPlatform: undefined, warn: undefined, allStages: false };
  const { stage, conversion } = await convert(options, signal);
  const supports = (cap: string) => client.supports(cap);
  const definition = marshalState(stage.state, { platform: conversion.targetPlatform, supports });
  const { ops, terminal, sourceMap } = decodeDefinition(definition);
  const all = terminal === undefined ? ops : [...ops, terminal];
  const json = indentedJson({
    def: Object.fromEntries(all.map(({ digest, op }) => [digest, toJson(pb.OpSchema, op)] as const).sort(byKey)),
    metadata: Object.fromEntries(
      Object.entries(definition.metadata)
        .map(([digest, metadata]) => [digest, metadataJson(metadata)] as const)
        .sort(byKey),
    ),
    source: sourceMap === undefined ? null : toJson(pb.SourceSchema, sourceMap),
  });
  return new Map([
    ["result.json", json],
    ["version", "0.1.0"],
  ]);
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function metadataJson(metadata: pb.OpMetadata): unknown {
  const { description, caps, progressGroup, linuxResources } = metadata;
  const entries = (map: Readonly<Record<string, unknown>>) => Object.fromEntries(Object.entries(map).sort(byKey));
  return {
    ...(metadata.ignoreCache ? { ignore_cache: true } : {}),
    ...(Object.keys(description).length === 0 ? {} : { description: entries(description) }),
    ...(Object.keys(caps).length === 0 ? {} : { caps: entries(caps) }),
    ...(progressGroup === undefined ? {} : { progress_group: toJson(pb.ProgressGroupSchema, progressGroup) }),
    ...(linuxResources === undefined ? {} : { linux_resources: toJson(pb.LinuxResourcesSchema, linuxResources) }),
  };
}
