import { parentPort, workerData } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import {
  FREE,
  slotAt,
  type UnpackInput,
  type UnpackJob,
  type UnpackOutput,
} from "./unpack-messages.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** Entry of a thread that unpacks one zstd file. It sleeps while what it made is not read: its memory is the slots. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { outputs, control } = workerData as UnpackJob;
const decoder = new ZstdDecoder();
let output = 0;
let filled = 0;
let isTaken = false;

port.on("message", (bytes: UnpackInput) => {
  try {
    if (bytes === null) end();
    else take(bytes);
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    post({ type: "damaged", message: error.message });
    port.close();
  }
});

function take(bytes: Uint8Array<ArrayBuffer>): void {
  let rest: Uint8Array = bytes;
  for (let isDone = false; !isDone;) {
    const step = decoder.decodeInto(slotWithRoom().subarray(filled), rest);
    rest = rest.subarray(step.consumed);
    filled += step.produced;
    isDone = step.isDone;
    if (filled === slotAt(outputs, output).length) flush();
  }
  const { buffer } = bytes;
  port?.postMessage({ type: "taken", buffer } satisfies UnpackOutput, [buffer]);
}

function end(): void {
  decoder.end();
  flush();
  post({ type: "end" });
  port?.close();
}

function flush(): void {
  if (filled === 0) return;
  post({ type: "filled", bytes: filled });
  output = (output + 1) % outputs.length;
  filled = 0;
  isTaken = false;
}

/** The slot that is being filled; waits for it when it is not ours yet. */
function slotWithRoom(): Uint8Array {
  if (!isTaken) {
    while (Atomics.load(control, FREE) === 0) Atomics.wait(control, FREE, 0);
    Atomics.sub(control, FREE, 1);
    isTaken = true;
  }
  return slotAt(outputs, output);
}

function post(message: UnpackOutput): void {
  port?.postMessage(message);
}
