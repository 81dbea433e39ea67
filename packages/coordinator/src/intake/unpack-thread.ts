import { parentPort, workerData } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { PieceRingWriter } from "./piece-ring.ts";
import type { UnpackInput, UnpackJob, UnpackOutput } from "./thread-messages.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** Entry of a thread that unpacks one zstd file for a thread that inspects it. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const { unpacked } = workerData as UnpackJob;
const output = new PieceRingWriter(unpacked);
const decoder = new ZstdDecoder();

port.on("message", (bytes: UnpackInput) => {
  try {
    if (bytes === null) end();
    else take(bytes);
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    const { message, code } = error;
    port.postMessage({ type: "refused", message, code } satisfies UnpackOutput);
    output.breakOff();
    port.close();
  }
});

function take(bytes: Uint8Array<ArrayBuffer>): void {
  let rest: Uint8Array = bytes;
  for (let isDone = false; !isDone;) {
    const step = decoder.decodeInto(output.room(), rest);
    rest = rest.subarray(step.consumed);
    output.wrote(step.produced);
    isDone = step.isDone;
  }
  const { buffer } = bytes;
  port?.postMessage({ type: "taken", buffer } satisfies UnpackOutput, [buffer]);
}

function end(): void {
  decoder.end();
  output.complete();
  port?.close();
}
