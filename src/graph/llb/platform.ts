// Platforms as ops carry them.

import { create } from "@bufbuild/protobuf";
import type { Platform } from "../../formats/oci/index.ts";
import { hostPlatform } from "../../formats/oci/index.ts";
import { pb } from "../../formats/proto/index.ts";

export type { Platform };

/** The platform of this machine, normalised. */
export function defaultPlatform(): Platform {
  return hostPlatform();
}

export function platformToPb(platform: Platform): pb.Platform {
  return create(pb.PlatformSchema, {
    OS: platform.os,
    Architecture: platform.architecture,
    Variant: platform.variant ?? "",
    OSVersion: platform.osVersion ?? "",
    OSFeatures: [...(platform.osFeatures ?? [])],
  });
}
