// Platforms as ops carry them.

import { create } from "@bufbuild/protobuf";
import type { Platform } from "../../formats/oci/index.ts";
import { hostPlatform, normalizePlatform } from "../../formats/oci/index.ts";
import { pb } from "../../formats/proto/index.ts";

export type { Platform };

/** The platform of this machine, normalised. */
export function defaultPlatform(): Platform {
  return hostPlatform();
}

/** The platform that a message names, normalised. */
export function platformFromPb({ OS, Architecture, Variant, OSVersion, OSFeatures }: pb.Platform): Platform {
  return normalizePlatform({
    os: OS,
    architecture: Architecture,
    ...(Variant ? { variant: Variant } : {}),
    ...(OSVersion ? { osVersion: OSVersion } : {}),
    ...(OSFeatures.length > 0 ? { osFeatures: OSFeatures } : {}),
  });
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
