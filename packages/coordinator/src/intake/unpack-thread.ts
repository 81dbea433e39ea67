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
const { inputs, outputs, control } = workerData as UnpackJob;
const decoder = new ZstdDecoder();
let input = 0;
let output = 0;
let filled = 0;

port.on("message", (bytes: UnpackInput) => {
  try {
    if (bytes === null) end();
    else take(slotAt(inputs, input).subarray(0, bytes));
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    post({ type: "damaged", message: error.message });
    port.close();
  }
});

function take(bytes: Uint8Array): void {
  for (const piece of decoder.decode(bytes)) put(piece);
  input = (input + 1) % inputs.length;
  post({ type: "taken" });
}

function end(): void {
  decoder.end();
  flush();
  post({ type: "end" });
  port?.close();
}

function put(piece: Uint8Array): void {
  for (let at = 0; at < piece.length;) {
    const slot = slotAt(outputs, output);
    if (filled === 0) waitForSlot();
    const part = piece.subarray(at, at + slot.length - filled);
    slot.set(part, filled);
    filled += part.length;
    at += part.length;
    if (filled === slot.length) flush();
  }
}

function flush(): void {
  if (filled === 0) return;
  post({ type: "filled", bytes: filled });
  output = (output + 1) % outputs.length;
  filled = 0;
}

function waitForSlot(): void {
  while (Atomics.load(control, FREE) === 0) Atomics.wait(control, FREE, 0);
  Atomics.sub(control, FREE, 1);
}

function post(message: UnpackOutput): void {
  port?.postMessage(message);
}
