import type { Readable } from "node:stream";
import type { NarStore } from "../ports.ts";
import type { Draft } from "./drafts.ts";

/** Where others put NARs by themselves, to be verified there: by an address that is signed for one file of one size. */
export interface NarStaging {
  /** For a file of so many bytes, to be begun within minutes. `PUT` with `If-None-Match: *`: what is there is not replaced. Who has the address needs nothing else. */
  address(name: string, fileSize: number): Promise<string>;
  /** What was put there; null when nothing was. */
  open(name: string): Promise<StagedNar | null>;
}

/** A file that nobody has looked at yet, and that stays the same. */
export interface StagedNar {
  read(): Promise<Readable>;
  /** Makes its bytes those of the NAR. */
  keep(narHash: string): Promise<void>;
  remove(): Promise<void>;
}

/** Where NARs are kept. What is being received lies on this machine's disk; what was verified lies wherever the implementation puts it. */
export interface NarStorage extends NarStore, AsyncDisposable {
  /** Null where everything comes through this process. */
  readonly staging: NarStaging | null;
  draft(): Promise<Draft>;
  /** Bytes that were staged under the name; 0 when there are none. */
  stagedBytes(name: string): Promise<number>;
  /** Takes what was staged under the name, if there is something; nobody else gets it then. Writing goes on behind it. */
  resume(name: string): Promise<Draft | null>;
  /** Removes what was staged before that time, in milliseconds, here or by others. */
  removeStaged(before: number): Promise<void>;
  /** Makes many small NARs durable at once. */
  store(objects: readonly { narHash: string; bytes: Uint8Array }[]): Promise<void>;
  /** Removes what is stored of a NAR that is no more, if there is something. Who reads it already reads on. */
  remove(narHash: string): Promise<void>;
  /** Removes what is stored of many. `unlink`: what removes files of this machine's disk, so that this thread need not. */
  removeMany(
    narHashes: readonly string[],
    unlink: (files: readonly string[]) => Promise<void>,
  ): Promise<void>;
  /** Hashes of all stored NARs, many at a time. */
  hashes(): AsyncGenerator<string[], void, undefined>;
}

const NAR_HASH = /^[01][0-9a-df-np-sv-z]{51}$/;
const SUFFIX = ".nar.zst";

/** What a NAR is called in every kind of storage. The hash becomes a part of a path: nothing but a hash may. */
export function narName(narHash: string): string {
  if (!NAR_HASH.test(narHash)) throw new Error(`'${narHash}' is no NAR hash in Nix base 32`);
  return `${narHash.slice(0, 2)}/${narHash}${SUFFIX}`;
}

/** The hash in a name; null for what is no NAR's name. */
export function narHashOf(name: string): string | null {
  const hash = name.endsWith(SUFFIX) ? name.slice(3, -SUFFIX.length) : "";
  return NAR_HASH.test(hash) && name === narName(hash) ? hash : null;
}
