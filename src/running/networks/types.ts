// What a container asks of networks, and what a start must do for it: plain data, made in TypeScript and carried out by the native
// supervisor, which knows no network. Counterpart: moby/moby libnetwork, docker/cli opts/network.go.

/** One network that a container is on. */
export interface EndpointRequest {
  /** Name or id. */
  readonly network: string;
  readonly aliases: readonly string[];
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly macAddress?: string | undefined;
}

/** `container` names another container by id or name: its network namespace is shared. */
export type NetworkMode =
  | { readonly kind: "networks"; readonly endpoints: readonly EndpointRequest[] }
  | { readonly kind: "host" }
  | { readonly kind: "none" }
  | { readonly kind: "container"; readonly container: string };

/** A published port, ranges taken apart. An empty `hostPort` is any free one; an empty `hostIp` every address. */
export interface PortRequest {
  readonly hostIp: string;
  readonly hostPort: string;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

export interface PublishedPort {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp" | "sctp";
}

export interface NetworkRequest {
  readonly mode: NetworkMode;
  readonly ports: readonly PortRequest[];
  /** Publish all exposed ports at random ones (`-P`). */
  readonly publishAll: boolean;
  /** Of the image and `--expose`: `80/tcp`. */
  readonly exposed: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** `name:address`, where the address may be `host-gateway`. */
  readonly extraHosts: readonly string[];
}

/** Who asks: the container about to start. */
export interface NetworkAsker {
  /** State root. */
  readonly root: string;
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
  readonly domainname: string;
  /** The container of mode `container`, running. */
  readonly target?: { readonly id: string; readonly pid: number; readonly dir: string } | undefined;
}

/** An endpoint as `inspect` shows it. */
export interface Endpoint {
  readonly networkName: string;
  readonly networkId: string;
  readonly aliases: readonly string[];
  readonly gateway: string;
  readonly ipAddress: string;
  readonly prefixLength: number;
  readonly macAddress: string;
}

/** A program that lives as long as the container: `slipway-supervisor WORDS...`, started before the container's process. */
export interface NetworkHelper {
  readonly words: readonly string[];
}

/**
 * What a start does, in this order: lock `members`; make or find the namespace; `hostUp`; `insideUp`; start `helpers`. When the
 * container has ended (after its restarts): helpers are killed, `hostDown` runs, members are removed.
 *
 * Commands are argument lists, run without a shell with PATH of the system folders, standard input empty. In all words `@NETNS@`
 * stands for a path of the container's network namespace file, good for `ip link set DEV netns @NETNS@`.
 * A helper finds its own standard output connected to the supervisor: it writes one line, `ok` or what is wrong, once it serves;
 * descriptor 3 is the container's network namespace, its own is the host's.
 */
export interface NetworkPlan {
  /** `join` is another process's namespace file, `/proc/PID/ns/net`. `new` has its loopback up. */
  readonly netns:
    | { readonly kind: "new" }
    | { readonly kind: "host" }
    | { readonly kind: "join"; readonly path: string };
  readonly hostUp: readonly (readonly string[])[];
  readonly insideUp: readonly (readonly string[])[];
  readonly hostDown: readonly (readonly string[])[];
  readonly helpers: readonly NetworkHelper[];
  /** Files that exist; the supervisor holds an exclusive flock on each while it lives, and unlinks them at its end. */
  readonly members: readonly string[];
  /** Content of /etc/hosts and /etc/resolv.conf; undefined where `shared` says whose files are used. */
  readonly hosts: string;
  readonly resolvConf: string;
  /** Folder of the container whose hosts, hostname and resolv.conf are shared (mode `container`). */
  readonly sharedDir?: string | undefined;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly PublishedPort[];
  /** Said to the user on stderr. */
  readonly warnings: readonly string[];
  /** Called when the supervisor holds its members, or the start has failed: other starts may allocate again. */
  readonly release: () => void;
}
