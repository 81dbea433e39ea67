import { createHash } from "node:crypto";
import { connect } from "node:net";
import { Worker } from "node:worker_threads";
import { encodeNix32, ReferenceScanner } from "@gradient/protocol/nar";

/**
 * The least that an intake does, by the same libraries and nothing else: a process that takes one zstd stream from a socket, hashes it, unpacks it in a thread, hashes what
 * comes of that and looks for references. No HTTP, no structure, no file, and no memory that is not used again. Its argument is the port that sends the stream; answers its end
 * with the NAR's size, the file's hash, and the CPU time of it all in microseconds.
 */
const SLOTS = 4;
const SLOT_BYTES = 1024 * 1024;
const INPUTS = 4;
const INPUT_BYTES = 256 * 1024;

const slots = Array.from(
  { length: SLOTS },
  () => new Uint8Array(new SharedArrayBuffer(SLOT_BYTES)),
);
const free = new Int32Array(new SharedArrayBuffer(4));
Atomics.store(free, 0, SLOTS);
const inputs = Array.from({ length: INPUTS }, () => new Uint8Array(INPUT_BYTES));
const workerData = { slots, free };
const thread = new Worker(new URL("./intake-floor-thread.js", import.meta.url), { workerData });
const [file, nar] = [createHash("sha256"), createHash("sha256")];
const references = new ReferenceScanner(4096);
let input = new Uint8Array(INPUT_BYTES);
let [bytes, at, filled] = [0, 0, 0];

thread.on("message", (message: number | Uint8Array<ArrayBuffer>) => {
  if (typeof message !== "number") {
    inputs.push(message);
    socket.resume();
    return;
  }
  if (message === 0) {
    nar.digest();
    const { user, system } = process.cpuUsage(cpuBefore);
    socket.end(`${bytes} ${encodeNix32(file.digest())} ${user + system}`);
    void thread.terminate();
    return;
  }
  const piece = slots[at % SLOTS]?.subarray(0, message) ?? new Uint8Array();
  nar.update(piece);
  references.write(piece);
  at += 1;
  bytes += message;
  Atomics.add(free, 0, 1);
  Atomics.notify(free, 0);
});

/** Hands over what was read. */
function post(): void {
  thread.postMessage(input.subarray(0, filled), [input.buffer]);
  filled = 0;
}

const socket = connect({
  port: Number(process.argv[2]),
  host: "127.0.0.1",
  allowHalfOpen: true,
  onread: {
    buffer: new Uint8Array(64 * 1024),
    callback: (count, buffer) => {
      const chunk = buffer.subarray(0, count);
      file.update(chunk);
      for (let from = 0; from < count;) {
        const part = chunk.subarray(from, from + INPUT_BYTES - filled);
        input.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled < INPUT_BYTES) continue;
        post();
        input = inputs.pop() ?? input;
      }
      // A call needs one more at the most.
      return inputs.length > 0;
    },
  },
});
let cpuBefore = process.cpuUsage();
socket.on("connect", () => {
  cpuBefore = process.cpuUsage();
});
socket.on("end", () => {
  if (filled > 0) post();
  thread.postMessage(null);
});
