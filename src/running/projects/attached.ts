// An attached `up`: shows what its containers say until all have ended, or until one that ends is to end the others.
// Counterpart: docker/compose pkg/compose/up.go, printer.go.

import { isAbort } from "../../base/index.ts";
import { eachLine } from "./follow.ts";
import type { ProjectLine } from "./follow.ts";
import { shortName } from "./labels.ts";
import type { Member } from "./labels.ts";
import type { Work } from "./work.ts";

export interface AttachedOptions {
  /** Whose output is shown. */
  readonly shows: (member: Member) => boolean;
  readonly onLine: (line: ProjectLine) => void;
  readonly onExit: (source: string, exitCode: number) => void;
  /** `exit`: the first that ends, ends all; `failure`: the first that fails. */
  readonly abortOn: "none" | "exit" | "failure";
  /** Whose exit code is returned; empty: the first that ended. */
  readonly exitCodeFrom: string;
  /** Services whose success others wait for: that they end well ends nothing. */
  readonly completes: ReadonlySet<string>;
}

/** What an attached `up` came to. */
export interface AttachedEnd {
  /** One container's end is to end the others. */
  readonly aborted: boolean;
  readonly exitCode: number;
}

/** Watches containers as they start; `done` once what `end` says has come, or no container is left. */
export class AttachedRun {
  readonly #work: Work;
  readonly #options: AttachedOptions;
  readonly #stop = new AbortController();
  readonly #followers: Promise<void>[] = [];
  readonly #aborted = Promise.withResolvers<void>();
  #left = 0;
  #allStarted = false;
  readonly #empty = Promise.withResolvers<void>();
  #exitCode: number | undefined;
  #isAborted = false;

  constructor(work: Work, options: AttachedOptions) {
    this.#work = work;
    this.#options = options;
  }

  /** Takes a container in that runs, or has run since `sinceMs`. */
  onStarted(member: Member, sinceMs: number): void {
    this.#left++;
    const shown = this.#options.shows(member) ? this.#quietly(() => this.#follow(member, sinceMs)) : Promise.resolve();
    this.#followers.push(shown);
    void this.#quietly(async () => {
      const exitCode = await this.#work.ports.containers.wait(member.id, { signal: this.#stop.signal });
      // What it said comes before the word of its end.
      await shown;
      this.#ended(member, exitCode);
    });
  }

  async #follow(member: Member, sinceMs: number): Promise<void> {
    const source = shortName(member, this.#work.project.name);
    const isNew = member.container.state.status === "created";
    await eachLine(
      this.#work.ports.containers,
      { id: member.id, source },
      { follow: true, signal: this.#stop.signal, ...(isNew ? {} : { sinceMs }) },
      this.#options.onLine,
    );
  }

  /** Nothing more will start. */
  allStarted(): void {
    this.#allStarted = true;
    if (this.#left === 0) this.#empty.resolve();
  }

  /** Resolves when the containers have ended, or one's end is to end them all. */
  async end(): Promise<AttachedEnd> {
    await Promise.race([this.#empty.promise, this.#aborted.promise]);
    return { aborted: this.#isAborted, exitCode: this.#isAborted ? (this.#exitCode ?? 0) : 0 };
  }

  /** Rejects nothing; resolves when an end is to end all, also while others still start. */
  get aborted(): Promise<void> {
    return this.#aborted.promise;
  }

  /** Shows what is still to be shown of containers that have ended, then lets go. */
  async finish(graceMs = 2000): Promise<AttachedEnd> {
    const timer = setTimeout(() => this.#stop.abort(), graceMs);
    await Promise.all(this.#followers);
    clearTimeout(timer);
    this.#stop.abort();
    return { aborted: this.#isAborted, exitCode: this.#isAborted ? (this.#exitCode ?? 0) : 0 };
  }

  /** Lets go at once. */
  detach(): void {
    this.#stop.abort();
  }

  #ended(member: Member, exitCode: number): void {
    const { abortOn, exitCodeFrom, completes, onExit, shows } = this.#options;
    this.#left--;
    if (shows(member)) onExit(shortName(member, this.#work.project.name), exitCode);
    const isExpected = exitCode === 0 && completes.has(member.service) && member.service !== exitCodeFrom;
    const aborts = abortOn === "exit" ? !isExpected : abortOn === "failure" && exitCode !== 0;
    if (exitCodeFrom === "" ? aborts && this.#exitCode === undefined : exitCodeFrom === member.service) {
      this.#exitCode ??= exitCode;
    }
    if (aborts) {
      this.#isAborted = true;
      this.#aborted.resolve();
    }
    if (this.#left === 0 && this.#allStarted) this.#empty.resolve();
  }

  async #quietly(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!isAbort(error) && !this.#stop.signal.aborted)
        this.#work.warn(error instanceof Error ? error.message : String(error));
    }
  }
}
