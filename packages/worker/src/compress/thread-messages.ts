/** What the pool and its threads tell each other. */

/** To the thread: one NAR to make. */
export interface ThreadJob {
  /** Where the bytes of the store path lie. */
  readonly path: string;
  readonly narSize: number;
  /** `CREDITS`: chunks that may still be posted; the thread sleeps at 0. `CANCELLED`: 1 ends the job. */
  readonly control: Int32Array<SharedArrayBuffer>;
}

export const CREDITS = 0;
export const CANCELLED = 1;

/** From the thread: chunks, and then one of the other two. */
export type ThreadMessage =
  | { readonly type: "chunk"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "done" }
  | { readonly type: "failed"; readonly message: string };
