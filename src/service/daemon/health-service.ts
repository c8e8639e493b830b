// gRPC's health protocol: what load balancers and supervisors ask.

import { health } from "../../formats/proto/index.ts";
import type { ServiceImplementation } from "../../system/rpc/index.ts";

/** `draining` says that no more work is taken. */
export function healthService(draining: AbortSignal): ServiceImplementation<typeof health.Health> {
  const { SERVING, NOT_SERVING } = health.HealthCheckResponse_ServingStatus;
  const status = () => (draining.aborted ? NOT_SERVING : SERVING);
  return {
    check: () => Promise.resolve({ status: status() }),
    async *watch(_request, { signal }) {
      yield { status: status() };
      if (!draining.aborted) {
        await new Promise<void>((resolve) => {
          for (const each of [signal, draining]) each.addEventListener("abort", () => resolve(), { once: true });
          if (signal.aborted) resolve();
        });
        if (!signal.aborted) yield { status: status() };
      }
      if (signal.aborted) return;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    },
  };
}
