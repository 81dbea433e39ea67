import { parentPort } from "node:worker_threads";
import { dumpPathSync } from "@gradient/protocol";
import { CANCELLED, CREDITS, type ThreadJob, type ThreadMessage } from "./thread-messages.ts";
import { FrameCompressor } from "./zstd.ts";

/** Entry of a compression thread: reads a store path as NAR and posts it compressed. All of it blocks, which is what the thread is for. */
const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
const compressor = new FrameCompressor();

port.on("message", (job: ThreadJob) => {
  try {
    run(job);
    post({ type: "done" });
  } catch (error) {
    post({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});

function run({ path, narSize, control }: ThreadJob): void {
  for (const chunk of compressor.compress(dumpPathSync(path), narSize)) {
    if (!waitForCredit(control)) return;
    const bytes = new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.byteLength);
    post({ type: "chunk", bytes }, [bytes.buffer]);
  }
}

/** Sleeps until a chunk may be posted; false when the job was cancelled. */
function waitForCredit(control: Int32Array<SharedArrayBuffer>): boolean {
  while (Atomics.load(control, CANCELLED) === 0) {
    if (Atomics.load(control, CREDITS) > 0) {
      Atomics.sub(control, CREDITS, 1);
      return true;
    }
    Atomics.wait(control, CREDITS, 0);
  }
  return false;
}

function post(message: ThreadMessage, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
