// Which containers a list has. Counterpart: moby/moby daemon/list.go.

import type { Container, ContainerFilter } from "./types.ts";

export function matches(container: Container, filter: ContainerFilter): boolean {
  const { status } = container.state;
  if (filter.status !== undefined && filter.status.length > 0) {
    if (!filter.status.includes(status)) return false;
  } else if (filter.all !== true && status !== "running" && status !== "paused" && status !== "restarting")
    return false;
  for (const label of filter.labels ?? []) {
    const at = label.indexOf("=");
    const name = at < 0 ? label : label.slice(0, at);
    const value = container.labels[name];
    if (value === undefined || (at >= 0 && value !== label.slice(at + 1))) return false;
  }
  const any = (list: readonly string[] | undefined, test: (each: string) => boolean) =>
    list === undefined || list.length === 0 || list.some(test);
  if (!any(filter.ids, (id) => container.id.startsWith(id))) return false;
  return any(filter.names, (name) => container.name.includes(name.replace(/^\//, "")));
}
