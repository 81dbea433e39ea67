import { parentPort, workerData } from "node:worker_threads";
// CommonJS: Node finds no named exports in it.
import zstd from "zstd-napi/binding.js";

/** Unpacks what it is sent into slots of shared memory, and tells how many bytes each has; 0 is the end. What it was sent comes back. */
const { slots, free } = workerData as {
  slots: Uint8Array<SharedArrayBuffer>[];
  free: Int32Array<SharedArrayBuffer>;
};
const context = new zstd.DCtx();
let at = 0;
let filled = 0;

parentPort?.on("message", (input: Uint8Array<ArrayBuffer> | null) => {
  let rest: Uint8Array = input ?? new Uint8Array();
  for (let isDone = false; !isDone;) {
    const room = roomInSlot();
    const [, produced, consumed] = context.decompressStream(room, rest);
    rest = rest.subarray(consumed);
    filled += produced;
    // A full slot may hide more that is already unpacked.
    isDone = rest.length === 0 && produced < room.length;
    if (produced === room.length) flush();
  }
  if (input !== null) {
    parentPort?.postMessage(new Uint8Array(input.buffer), [input.buffer]);
    return;
  }
  if (filled > 0) flush();
  parentPort?.postMessage(0);
});

function roomInSlot(): Uint8Array {
  const slot = slots[at];
  if (slot === undefined) throw new Error(`there is no slot ${at}`);
  if (filled === 0) while (Atomics.load(free, 0) === 0) Atomics.wait(free, 0, 0);
  return slot.subarray(filled);
}

function flush(): void {
  Atomics.sub(free, 0, 1);
  parentPort?.postMessage(filled);
  at = (at + 1) % slots.length;
  filled = 0;
}
