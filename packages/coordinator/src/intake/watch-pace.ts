import { Readable } from "node:stream";
import type { Clock } from "../clock.ts";
import { UnavailableError } from "../errors.ts";
import type { Gate } from "./gate.ts";

const LOOK_MS = 1000;
/** So many looks are one judgement. */
const LOOKS = 30;
/** A sender that was waited for in so many of them, */
const MIN_WAITS = 24;
/** and has brought less, is too slow for others to wait. */
const MIN_BYTES = 256 * 1024;

/** An upload that holds one of a gate's places. */
export interface PlacedUpload {
  readonly gate: Pick<Gate, "isWanted">;
  readonly body: AsyncIterable<Uint8Array>;
  /** Bytes that have come. */
  readonly received: () => number;
}

/**
 * Ends an upload that hardly comes on while others wait for its place, until it is disposed of: however few places there are, nobody keeps them by doing nothing.
 * Where nobody waits it may take its time. Its connection is closed, and the body throws UnavailableError.
 */
export function watchPace({ gate, body, received }: PlacedUpload, clock: Clock): Disposable {
  if (!(body instanceof Readable)) return { [Symbol.dispose]: () => undefined };
  let looks = 0;
  let waits = 0;
  let before = received();
  const look = (): void => {
    looks += 1;
    if (body.readableLength === 0) waits += 1;
    if (looks === LOOKS) {
      const isSlow = waits >= MIN_WAITS && received() - before < MIN_BYTES;
      if (isSlow && gate.isWanted) {
        body.destroy(new UnavailableError("the upload comes too slowly for others to wait for it"));
        return;
      }
      looks = 0;
      waits = 0;
      before = received();
    }
    timer = clock.after(LOOK_MS, look);
  };
  let timer = clock.after(LOOK_MS, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
