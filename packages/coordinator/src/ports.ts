import type { InputOverride, OrganizationId, WorkerId } from "@gradient/protocol";
import type { PullRequest } from "./db/new-evaluation-repository.ts";
import type { TriggerType } from "./db/forge-tables.ts";
import type { FileHandle } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Queries } from "./db/client.ts";
import type { BuildSettings } from "./rules/build-settings.ts";
import type { Tags } from "./rules/tags.ts";
import type { MissingMemory } from "./scheduler/choose-worker.ts";

/** What the HTTP routes need from the farm's features, and what the features need from the keys. Routes hold no logic of their own. */

/** Signs for caches; the private keys never leave it. */
export interface CacheSigner {
  /** Signs a narinfo fingerprint with every active key of the cache. Throws when the cache is unknown. */
  sign(cacheId: string, fingerprint: string): Promise<CacheSignatures>;
}

export interface CacheSignatures {
  /** `keyname:base64`, in the order of the keys. */
  readonly signatures: readonly string[];
  /** Names the set of keys, as `findSigningKeys` does: who shows what was signed compares it in the same transaction. */
  readonly keys: string;
}

/** Work on what caches show that nobody waits for. */
export interface CacheUpkeep {
  /** Called after the keys of a cache changed: what it shows is signed anew. */
  keysChanged(): void;
}

/** A worker that is connected now, as one organization (or an administrator) may see it. */
export interface LiveWorker {
  worker: WorkerId;
  capabilities: { fetch: boolean; eval: boolean; build: boolean };
  systems: readonly string[];
  systemFeatures: readonly string[];
  maxConcurrentBuilds: number;
  assignedCount: number;
  isDraining: boolean;
  authorized: ReadonlySet<OrganizationId>;
}

/** An evaluation that somebody asks for. */
export interface ManualStart {
  readonly projectId: string;
  readonly triggeredBy: string | null;
  /** The commit, where it is known already; else the fetch finds out. */
  readonly revision?: string | null;
  /** Full reference that it is fetched from; null is the remote's HEAD. */
  readonly reference?: string | null;
  /** Of the attempts that it brings about. */
  readonly tags?: Tags;
  readonly settings?: BuildSettings;
}

/** An evaluation that a trigger asks for. */
export interface TriggeredStart {
  readonly projectId: string;
  readonly trigger: { readonly id: string; readonly type: TriggerType };
  readonly revision: string | null;
  readonly reference: string | null;
  readonly pullRequest?: PullRequest | null;
  /** Whether a commit that was evaluated already is evaluated again. Never, unless it is said. */
  readonly repeats?: "never" | "allowed";
  /** Who has tried the trigger out. */
  readonly triggeredBy?: string | null;
}

/** `same_commit`, `concurrency` and `inactive` (the project) say why nothing was started. */
export type TriggerOutcome =
  | { readonly outcome: "created"; readonly evaluation: string }
  | { readonly outcome: "same_commit" | "concurrency" | "inactive" };

/** Evaluations and their builds. */
export interface Evaluations {
  /** Queues an evaluation of the project's newest commit. Throws ConflictError when one is active already. Resolves to its id once it is durable. */
  start(request: ManualStart): Promise<string>;
  /** Called after another process has queued an evaluation. */
  queued(evaluationId: string): Promise<void>;
  /** Queues an evaluation by the project's rule for what is active already. Durable when it resolves. Throws NotFoundError. */
  startTriggered(request: TriggeredStart): Promise<TriggerOutcome>;
  /**
   * Asks again for what failed in the project's last evaluation, and resolves to its id. Throws ConflictError while one is active, and
   * BadRequestError when nothing failed.
   */
  restartFailed(projectId: string): Promise<string>;
  /** Lets an evaluation run that waits for approval. Throws BadRequestError when it does not wait for that. */
  approve(evaluationId: string, approvedBy: string): Promise<void>;
  /** Somebody follows the evaluation until the answer is disposed of: builds that end with their client go on. */
  attend(evaluationId: string): Disposable;
  /** Ends what is active of a pull request that was closed. */
  abortPullRequest(projectId: string, pullRequest: number): Promise<void>;
  /** Ends an active evaluation: cancels what only it needs. Harmless on a finished one. */
  abort(evaluationId: string): Promise<void>;
  /** Called after an organization's subscriptions changed, or a cache of its was switched on: evaluations that wait for one go on, and what it had before is shown there, too. */
  cachesChanged(organizationId: string): Promise<void>;
}

/** A tree that was uploaded, verified and stored, and that nobody sees yet. */
export interface StoredSource {
  readonly organization: OrganizationId;
  /** `<hash>-source` */
  readonly base: string;
  /** 52 characters of Nix base 32. */
  readonly narHash: string;
  readonly narSize: number;
}

/** What is to be evaluated of a stored source. */
export interface SourceEvaluation {
  readonly source: StoredSource;
  /** null when it belongs to none. */
  readonly project: "build-request" | null;
  /** Attribute patterns. */
  readonly wildcard: string;
  readonly inputOverrides: readonly InputOverride[];
  readonly triggeredBy: string;
  /** Of the attempts that it brings about. */
  readonly tags?: Tags;
  readonly settings?: BuildSettings;
  /** Further rows of the same transaction. What it throws undoes all of it. */
  readonly record: (db: Queries, evaluationId: string, now: number) => Promise<void>;
}

export interface StartedSourceEvaluation {
  readonly evaluation: string;
  /** null when it belongs to none. */
  readonly project: string | null;
  readonly commit: string;
}

/** Sources that did not come from a repository. */
export interface Sources {
  /**
   * Stores a NAR that is not compressed and lies on this machine's disk. Nothing is shown by it.
   * Throws BadRequestError for bytes that are no NAR.
   */
  store(organization: OrganizationId, nar: AsyncIterable<Uint8Array>): Promise<StoredSource>;
  /**
   * Shows the source in the organization's caches and queues an evaluation of it, both or neither.
   * Throws ConflictError when the organization has no cache that it writes to.
   */
  evaluate(request: SourceEvaluation): Promise<StartedSourceEvaluation>;
}

/** Git repositories, as workers of an organization reach them. */
export interface Repositories {
  /**
   * The commit (40 hexadecimal digits) that a full reference names now, or HEAD for null. Uses the organization's key and known hosts.
   * Throws RepositoryUnreachableError with git's words, and NoFetchWorkerError when there is nobody to ask.
   */
  head(question: {
    organization: OrganizationId;
    repository: string;
    reference: string | null;
  }): Promise<string>;
}

/** What a farm is busy with. */
export interface FarmFigures {
  /** Connected workers. */
  readonly workers: number;
  /** Those of them that take nothing new. */
  readonly drainingWorkers: number;
  /** What is ready and waits for a worker. */
  readonly waiting: Readonly<Record<"fetch" | "eval" | "build", number>>;
  /** What workers have been given. */
  readonly assignments: Readonly<Record<"fetch" | "eval" | "build" | "sign" | "restore", number>>;
  /** Attempts that ended since the start, by their end states. */
  readonly endedAttempts: ReadonlyMap<string, number>;
}

/** The worker link. */
export interface WorkerLink {
  live(): readonly LiveWorker[];
  /** Called after a registration was made, changed or removed: the worker is challenged again. */
  registrationsChanged(workerId: string): Promise<void>;
  /** Called after another key was pinned for a worker: a session with the old one is ended, and what that one signed is signed anew. */
  keyChanged(workerId: string): Promise<void>;
  /** Milliseconds until a connected worker gave a sign of life that it was asked for; null when it is not connected or does not answer within some seconds. */
  probe(workerId: string): Promise<number | null>;
  /** Takes over an upgrade request on `/proto`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** What can be told of builds that are ready. */
export interface QueueReads {
  /** Of an attempt that waits for memory although a worker has a free slot; null for all others. */
  missingMemory(attempt: number): MissingMemory | null;
}

/** Logs of attempts, addressed by attempt number and absolute byte offset. */
export interface Logs {
  /**
   * What is stored now, as text in pieces of bounded size that are never empty and never end inside a surrogate pair. There is none when the
   * attempt has no log. A file stays open until the generator has ended.
   */
  text(attempt: number): AsyncGenerator<string, void, undefined>;
  /** Bytes stored so far. */
  size(attempt: number): Promise<number>;
  /** Text from `offset` on, as it is appended, until the attempt has ended and everything was delivered. */
  follow(attempt: number, offset: number, signal: AbortSignal): AsyncIterable<string>;
}

/** A part of a file: first byte and the byte after the last. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Where a stored NAR can be had without its storage reading it: a file of this machine, with its name below the directory of all NARs, or an address that holds for a while. */
export type NarPlace = { kind: "file"; path: string; name: string } | { kind: "url"; url: string };

/** Verified NARs, each compressed with zstd, by the NAR's hash (52 characters of Nix base 32). */
export interface NarStore {
  /**
   * The stored bytes, or a part of them. Throws NotFoundError when there is no such NAR, and UnavailableError while the storage does not answer; so does
   * the stream when it breaks off.
   */
  read(narHash: string, range?: ByteRange): Promise<Readable>;
  place(narHash: string): Promise<NarPlace>;
  /** Stored bytes of a NAR; null when it is not there. Throws UnavailableError while nobody can know. */
  size(narHash: string): Promise<number | null>;
  /** The first `size` bytes of what is stored, which are all of it, without waiting; null when that cannot be had: `read` says why, or takes its time. */
  readNow(narHash: string, size: number): Buffer | null;
  /** Reads into the buffer what the file of a place has from `position` on, without waiting. How many bytes these are; null when that cannot be had. */
  readPartNow(file: FileHandle, buffer: Buffer, position: number): number | null;
}
