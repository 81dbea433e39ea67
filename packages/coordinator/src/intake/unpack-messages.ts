/** What is told between a thread that unpacks and whoever reads from it. */

/** The thread's `workerData`. */
export interface UnpackJob {
  /** Where unpacked bytes are put, in turn. */
  readonly outputs: readonly Uint8Array[];
  /** `FREE`: outputs that may be written to; the thread sleeps at 0. */
  readonly control: Int32Array<SharedArrayBuffer>;
}

export const FREE = 0;

/** To the thread: the next bytes of the file, whose buffer is handed over with them; null at the file's end. Not in shared memory, to which V8 copies slowly. */
export type UnpackInput = Uint8Array<ArrayBuffer> | null;

/** From the thread. `filled`: the next output has so many bytes. `taken`: an input's buffer comes back. The last one is `end` or `damaged`. */
export type UnpackOutput =
  | { readonly type: "filled"; readonly bytes: number }
  | { readonly type: "taken"; readonly buffer: ArrayBuffer }
  | { readonly type: "end" }
  | { readonly type: "damaged"; readonly message: string };

export function slotAt(slots: readonly Uint8Array[], at: number): Uint8Array {
  const slot = slots[at];
  if (slot === undefined) throw new Error(`there is no slot ${at}`);
  return slot;
}
