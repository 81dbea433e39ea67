import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { ReferenceScanner } from "@gradient/protocol/nar";

/**
 * The least that an intake does, by the same libraries and nothing else: a process that takes one zstd stream from a socket, hashes it, unpacks it in a thread, hashes what
 * comes of that and looks for references. No HTTP, no structure, no file. Prints its port; answers the end of the stream with the NAR's size and both hashes.
 */
const SLOTS = 4;
const SLOT_BYTES = 1024 * 1024;
const MAX_INPUTS = 16;

const server = createServer({ allowHalfOpen: true }, (socket) => {
  const slots = Array.from(
    { length: SLOTS },
    () => new Uint8Array(new SharedArrayBuffer(SLOT_BYTES)),
  );
  const free = new Int32Array(new SharedArrayBuffer(4));
  Atomics.store(free, 0, SLOTS);
  const workerData = { slots, free };
  const thread = new Worker(new URL("./intake-floor-thread.js", import.meta.url), { workerData });
  const [file, nar] = [createHash("sha256"), createHash("sha256")];
  const references = new ReferenceScanner(4096);
  let [ahead, bytes, at] = [0, 0, 0];
  thread.on("message", (message: number | null) => {
    if (message === null) {
      ahead -= 1;
      if (ahead < MAX_INPUTS) socket.resume();
      return;
    }
    if (message === 0) {
      void thread.terminate();
      socket.end(`${bytes} ${nar.digest("hex")} ${file.digest("hex")}\n`);
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
  socket.on("data", (chunk) => {
    file.update(chunk);
    const copy = new Uint8Array(chunk);
    thread.postMessage(copy, [copy.buffer]);
    ahead += 1;
    if (ahead >= MAX_INPUTS) socket.pause();
  });
  socket.on("end", () => thread.postMessage(null));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
if (address === null || typeof address === "string") throw new Error("no port");
process.stdout.write(`${address.port}\n`);
