import type { InspectedNar } from "./nar-inspection.ts";
import type { PieceRing } from "./piece-ring.ts";

/** What is told between those who have a file with a NAR looked at, the thread that unpacks it and the one that inspects what comes of it. */

/** `workerData` of the thread that unpacks. */
export interface UnpackJob {
  readonly unpacked: PieceRing;
}

/** To the thread that unpacks: the next bytes of the file, whose buffer is handed over with them; null at the file's end. Not in shared memory, to which V8 copies slowly. */
export type UnpackInput = Uint8Array<ArrayBuffer> | null;

/** From the thread that unpacks: an input's buffer comes back; or the file is damaged, and nothing follows. */
export type UnpackOutput =
  | { readonly type: "taken"; readonly buffer: ArrayBuffer }
  | ({ readonly type: "refused" } & Refusal);

/** `workerData` of the thread that inspects. */
export interface InspectJob {
  readonly unpacked: PieceRing;
  /** A larger NAR is refused. */
  readonly maxNarBytes: number;
}

/** From the thread that inspects, once. `broken-off`: the file is damaged behind what was inspected; the thread that unpacks says how. */
export type InspectOutput =
  | { readonly type: "inspected"; readonly nar: InspectedNar }
  | { readonly type: "broken-off" }
  | ({ readonly type: "refused" } & Refusal);

/** An UnprocessableError. */
export interface Refusal {
  readonly message: string;
  readonly code: string;
}
