import { parentPort, workerData } from "node:worker_threads";
// CommonJS: Node finds no named exports in it.
import zstd from "zstd-napi/binding.js";

/** Unpacks what it is sent into slots of shared memory, and tells how many bytes each has; 0 is the end. */
const { slots, free } = workerData as {
  slots: Uint8Array<SharedArrayBuffer>[];
  free: Int32Array<SharedArrayBuffer>;
};
const context = new zstd.DCtx();
let at = 0;

parentPort?.on("message", (input: Uint8Array | null) => {
  let rest = input ?? new Uint8Array();
  while (rest.length > 0) {
    const slot = slots[at];
    if (slot === undefined) throw new Error(`there is no slot ${at}`);
    while (Atomics.load(free, 0) === 0) Atomics.wait(free, 0, 0);
    const [, produced, consumed] = context.decompressStream(slot, rest);
    rest = rest.subarray(consumed);
    if (produced === 0) continue;
    Atomics.sub(free, 0, 1);
    at = (at + 1) % slots.length;
    parentPort?.postMessage(produced);
  }
  parentPort?.postMessage(input === null ? 0 : null);
});
