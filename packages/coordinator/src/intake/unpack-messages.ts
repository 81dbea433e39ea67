/** What is told between a thread that unpacks and whoever reads from it. */

/** The thread's `workerData`. */
export interface UnpackJob {
  /** Where the bytes of the file come, in turn. */
  readonly inputs: readonly Uint8Array[];
  /** Where unpacked bytes are put, in turn. */
  readonly outputs: readonly Uint8Array[];
  /** `FREE`: outputs that may be written to; the thread sleeps at 0. */
  readonly control: Int32Array<SharedArrayBuffer>;
}

export const FREE = 0;

/** To the thread: the next input has so many bytes; null at the file's end. */
export type UnpackInput = number | null;

/** From the thread. `filled`: the next output has so many bytes. `taken`: an input may be written to again. The last one is `end` or `damaged`. */
export type UnpackOutput =
  | { readonly type: "filled"; readonly bytes: number }
  | { readonly type: "taken" }
  | { readonly type: "end" }
  | { readonly type: "damaged"; readonly message: string };

export function slotAt(slots: readonly Uint8Array[], at: number): Uint8Array {
  const slot = slots[at];
  if (slot === undefined) throw new Error(`there is no slot ${at}`);
  return slot;
}
