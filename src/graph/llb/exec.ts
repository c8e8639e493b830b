// Exec ops: a command, the filesystems mounted for it, and what it may see. Mounts are ordered by target as bytes; that
// order decides the indexes of inputs and outputs. Counterpart: moby/buildkit client/llb/exec.go.

import { create } from "@bufbuild/protobuf";
import { pb } from "../../formats/proto/index.ts";
import { Cap } from "./caps.ts";
import { compareBytes } from "./encode.ts";
import type { StateSettings } from "./state.ts";
import type { MarshalledVertex, Marshaller, OpOptions, Output } from "./vertex.ts";
import { InputList, Vertex, VertexOutput } from "./vertex.ts";

/** The PATH of a step on an image that sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const DEFAULT_PATH_WINDOWS = "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0";

/** The search path that images of an operating system get when they set none. */
export function defaultPathOf(os: string): string {
  return os === "windows" ? DEFAULT_PATH_WINDOWS : DEFAULT_PATH;
}

export interface MountOptions {
  readonly target: string;
  /** Scratch when undefined. */
  readonly source: Output | undefined;
  readonly readonly?: boolean;
  /** Path inside the source. */
  readonly selector?: string;
  readonly cache?: { readonly id: string; readonly sharing: pb.CacheSharingOpt };
  readonly tmpfs?: { readonly sizeBytes: bigint };
  /** Writable, but what is written is thrown away. */
  readonly noOutput?: boolean;
}

export interface SecretOptions {
  readonly id: string;
  /** Path of the file; without it there is none. */
  readonly target: string | undefined;
  /** Name of the environment variable, if any. */
  readonly env: string | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly optional: boolean;
}

export interface SshOptions {
  readonly id: string;
  /** "" means `/run/buildkit/ssh_agent.N`. */
  readonly target: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly optional: boolean;
}

/** Proxy settings of a step that are not part of its environment. */
export interface ProxyEnv {
  readonly http: string;
  readonly https: string;
  readonly ftp: string;
  readonly no: string;
  readonly all: string;
}

export interface ExecOptions extends OpOptions {
  readonly args: readonly string[];
  readonly mounts?: readonly MountOptions[];
  readonly secrets?: readonly SecretOptions[];
  readonly ssh?: readonly SshOptions[];
  readonly proxyEnv?: ProxyEnv | undefined;
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits?: readonly { readonly name: string; readonly soft: bigint; readonly hard: bigint }[];
  readonly cdiDevices?: readonly { readonly name: string; readonly optional: boolean }[];
  readonly cgroupParent?: string;
  readonly network?: pb.NetMode | undefined;
  readonly security?: pb.SecurityMode | undefined;
  readonly readonlyRoot?: boolean;
}

/** Runs a command. */
export class ExecVertex extends Vertex {
  readonly #settings: StateSettings;
  readonly #exec: ExecOptions;
  readonly #mounts: readonly MountOptions[];
  /** The root filesystem after the command. */
  readonly root: Output | undefined;

  constructor(base: Output | undefined, settings: StateSettings, options: ExecOptions) {
    super(options);
    this.#settings = settings;
    this.#exec = options;
    const rootMount: MountOptions = { target: "/", source: base, readonly: options.readonlyRoot ?? false };
    this.#mounts = [rootMount, ...(options.mounts ?? [])].sort((a, b) => compareBytes(a.target, b.target));
    this.root = options.readonlyRoot ? base : this.outputAt(rootMount);
  }

  override inputs(): readonly Output[] {
    const seen = new Set<Output>();
    for (const mount of this.#mounts) if (mount.source !== undefined) seen.add(mount.source);
    return Array.from(seen);
  }

  override marshal(marshaller: Marshaller): MarshalledVertex {
    const { args } = this.#exec;
    if (args.length === 0) throw new Error("arguments are required");
    const ssh = (this.#exec.ssh ?? []).map((one, at) =>
      one.target === "" ? { ...one, target: `/run/buildkit/ssh_agent.${at}` } : one,
    );
    const network = this.#exec.network ?? this.#settings.network;
    const security = this.#exec.security ?? this.#settings.security;
    const exec = create(pb.ExecOpSchema, { network, security, meta: this.#meta(marshaller, ssh) });
    this.#addCaps(network, security);
    const list = new InputList();
    this.#addMounts(exec, list, marshaller);
    for (const secret of this.#exec.secrets ?? []) addSecret(exec, secret);
    for (const one of ssh) {
      const sshOpt = { ID: one.id, uid: one.uid, gid: one.gid, mode: one.mode, optional: one.optional };
      exec.mounts.push(
        create(pb.MountSchema, {
          input: -1n,
          dest: one.target,
          mountType: pb.MountType.SSH,
          SSHOpt: create(pb.SSHOptSchema, sshOpt),
        }),
      );
    }
    for (const device of this.#exec.cdiDevices ?? []) exec.cdiDevices.push(create(pb.CDIDeviceSchema, device));
    const op = create(pb.OpSchema, { inputs: list.inputs });
    op.op = { case: "exec", value: exec };
    return this.finish(op, this.options.platform ?? this.#settings.platform ?? marshaller.platform);
  }

  #meta(marshaller: Marshaller, ssh: readonly SshOptions[]): pb.Meta {
    let { env } = this.#settings;
    if (ssh.length > 0 && !env.has("SSH_AUTH_SOCK")) env = env.set("SSH_AUTH_SOCK", ssh[0]!.target);
    if (marshaller.supports !== undefined) {
      if (marshaller.supports(Cap.execMetaSetsDefaultPath)) this.caps.add(Cap.execMetaSetsDefaultPath);
      else {
        const { os } = marshaller.platform;
        if (os !== "windows" && !env.has("PATH")) env = env.set("PATH", defaultPathOf(os));
      }
    }
    const proxy = this.#exec.proxyEnv;
    const meta = create(pb.MetaSchema, {
      args: [...this.#exec.args],
      env: env.toArray(),
      cwd: this.#settings.dir,
      user: this.#settings.user,
      hostname: this.#settings.hostname,
      cgroupParent: this.#exec.cgroupParent ?? "",
      removeMountStubsRecursive: true,
      extraHosts: (this.#exec.extraHosts ?? []).map(({ host, ip }) => create(pb.HostIPSchema, { Host: host, IP: ip })),
      ulimit: (this.#exec.ulimits ?? []).map(({ name, soft, hard }) =>
        create(pb.UlimitSchema, { Name: name, Soft: soft, Hard: hard }),
      ),
    });
    if (proxy !== undefined) {
      meta.proxyEnv = create(pb.ProxyEnvSchema, {
        httpProxy: proxy.http,
        httpsProxy: proxy.https,
        ftpProxy: proxy.ftp,
        noProxy: proxy.no,
        allProxy: proxy.all,
      });
    }
    return meta;
  }

  #addCaps(network: pb.NetMode, security: pb.SecurityMode): void {
    const exec = this.#exec;
    const add = (needed: boolean, ...ids: string[]) => {
      if (needed) for (const id of ids) this.caps.add(id);
    };
    add(true, Cap.execMetaBase);
    add((exec.ulimits ?? []).length > 0, Cap.execMetaUlimit);
    add(exec.linuxResources !== undefined, Cap.execMetaLinuxResources);
    add(network !== pb.NetMode.UNSET, Cap.execMetaNetwork);
    add(security === pb.SecurityMode.INSECURE, Cap.execMetaSecurity);
    add(exec.proxyEnv !== undefined, Cap.execMetaProxy);
    add((exec.cdiDevices ?? []).length > 0, Cap.execMetaCdi);
    for (const mount of this.#mounts) {
      add((mount.selector ?? "") !== "", Cap.execMountSelector);
      if (mount.cache !== undefined) add(true, Cap.execMountCache, Cap.execMountCacheSharing);
      else if (mount.tmpfs !== undefined) {
        add(true, Cap.execMountTmpfs);
        add(mount.tmpfs.sizeBytes > 0n, Cap.execMountTmpfsSize);
      } else add(mount.source !== undefined, Cap.execMountBind);
    }
    const secrets = exec.secrets ?? [];
    add(secrets.length > 0, Cap.execMountSecret);
    add(
      secrets.some((secret) => secret.env !== undefined),
      Cap.execSecretEnv,
    );
    add((exec.ssh ?? []).length > 0, Cap.execMountSsh);
  }

  #addMounts(exec: pb.ExecOp, list: InputList, marshaller: Marshaller): void {
    let outputs = 0;
    for (const mount of this.#mounts) {
      const input = mount.source === undefined ? -1 : list.add(mount.source.toInput(marshaller));
      const message = create(pb.MountSchema, {
        input: BigInt(input),
        dest: mount.target,
        readonly: mount.readonly ?? false,
        output: hasOutput(mount) ? BigInt(outputs++) : -1n,
        selector: mount.selector ?? "",
      });
      if (mount.cache !== undefined) {
        message.mountType = pb.MountType.CACHE;
        message.cacheOpt = create(pb.CacheOptSchema, { ID: mount.cache.id, sharing: mount.cache.sharing });
      }
      if (mount.tmpfs !== undefined) {
        message.mountType = pb.MountType.TMPFS;
        message.TmpfsOpt = create(pb.TmpfsOptSchema, { size: mount.tmpfs.sizeBytes });
      }
      exec.mounts.push(message);
    }
  }

  /** What is at one of the vertex' own writable mounts after the command. */
  outputAt(mount: MountOptions): Output {
    const index = () => this.#mounts.filter(hasOutput).indexOf(mount);
    return new VertexOutput(this, index, this.options.platform);
  }
}

function hasOutput(mount: MountOptions): boolean {
  return !mount.noOutput && !mount.readonly && mount.cache === undefined && mount.tmpfs === undefined;
}

function addSecret(exec: pb.ExecOp, secret: SecretOptions): void {
  const { id, optional, uid, gid, mode } = secret;
  if (secret.env !== undefined) {
    exec.secretenv.push(create(pb.SecretEnvSchema, { ID: id, name: secret.env, optional }));
  }
  if (secret.target === undefined) return;
  exec.mounts.push(
    create(pb.MountSchema, {
      input: -1n,
      dest: secret.target,
      mountType: pb.MountType.SECRET,
      secretOpt: create(pb.SecretOptSchema, { ID: id, uid, gid, mode, optional }),
    }),
  );
}
