// The Control service's part that is about past builds. Counterpart: moby/buildkit control/control.go, solver/llbsolver/history.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { BuildError } from "../../base/index.ts";
import { control } from "../../formats/proto/index.ts";
import type { ServerCall, ServiceImplementation } from "../../system/rpc/index.ts";
import { sendTime } from "./clock-header.ts";
import type { BuildHistory } from "../history/index.ts";
import { parseRecordFilters } from "../history/index.ts";

type HistoryMethods = Pick<ServiceImplementation<typeof control.Control>, "listenBuildHistory" | "updateBuildHistory">;

export function historyMethods(history: BuildHistory): Required<HistoryMethods> {
  return {
    async *listenBuildHistory(request, call) {
      sendTime(call);
      yield* listen(history, request, call);
    },
    updateBuildHistory: ({ Ref, Pinned, Delete, Finalize }) => {
      if (Delete) history.delete(Ref);
      // Records are complete when they appear.
      else if (!Finalize) history.pin(Ref, Pinned);
      return Promise.resolve({});
    },
  };
}

async function* listen(
  history: BuildHistory,
  request: control.BuildHistoryRequest,
  { signal }: ServerCall,
): AsyncGenerator<MessageInitShape<typeof control.BuildHistoryEventSchema>> {
  const passes = parseRecordFilters(request.Filter);
  if (request.Limit < 0)
    throw new BuildError(`invalid limit ${request.Limit}`, { code: "FILTER_INVALID", status: "InvalidArgument" });
  const wanted = ({ type, record }: control.BuildHistoryEvent) =>
    record !== undefined &&
    (request.Ref === "" || record.Ref === request.Ref) &&
    (!request.ActiveOnly || type === control.BuildHistoryEventType.STARTED);
  const queue: control.BuildHistoryEvent[] = [];
  let wake: (() => void) | undefined;
  using _listening = history.listen((event) => {
    queue.push(event);
    wake?.();
  });
  const known = history.list().filter((event) => wanted(event) && passes(event.record!));
  yield* request.Limit > 0 ? known.slice(0, request.Limit) : known;
  // With a build of its own to wait for, a client that leaves early stays until that has ended.
  const isOver = () => request.EarlyExit && (request.Ref === "" || !known.some(isActive) || queue.some(isComplete));
  const isActive = ({ type }: control.BuildHistoryEvent) => type === control.BuildHistoryEventType.STARTED;
  const isComplete = (event: control.BuildHistoryEvent) =>
    event.record?.Ref === request.Ref && event.type === control.BuildHistoryEventType.COMPLETE;
  while (!signal.aborted) {
    const over = isOver();
    for (const event of queue.splice(0)) {
      const isGone = event.type === control.BuildHistoryEventType.DELETED;
      if (wanted(event) && (isGone || passes(event.record!))) yield event;
    }
    if (over) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
      if (queue.length > 0) resolve();
    });
  }
}
