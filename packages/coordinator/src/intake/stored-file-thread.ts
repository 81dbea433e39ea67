import { parentPort } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { Measure } from "./measure.ts";
import { NarInspection } from "./nar-inspection.ts";
import type { FromFileThread, StoredFile, ToFileThread } from "./stored-file-messages.ts";
import { ZstdDecoder } from "./zstd-decoder.ts";

/** Entry of a thread that inspects stored files, one after the other. */
class FileInspection {
  readonly #measure = new Measure();
  readonly #decoder = new ZstdDecoder();
  readonly #inspection: NarInspection;

  constructor(maxNarBytes: number) {
    this.#inspection = new NarInspection(maxNarBytes);
  }

  write(bytes: Uint8Array): void {
    this.#measure.add(bytes);
    for (const piece of this.#decoder.decode(bytes)) this.#inspection.write(piece);
  }

  finish(): StoredFile {
    this.#decoder.end();
    const { narHash } = this.#inspection.finish();
    return { narHash, fileHash: this.#measure.hash(), fileSize: this.#measure.bytes };
  }
}

let inspection = new FileInspection(0);

function answer(message: ToFileThread): FromFileThread {
  try {
    switch (message.type) {
      case "begin":
        inspection = new FileInspection(message.maxNarBytes);
        return { type: "taken" };
      case "chunk":
        inspection.write(message.bytes);
        return { type: "taken" };
      case "end":
        return { type: "inspected", file: inspection.finish() };
    }
  } catch (error) {
    if (!(error instanceof UnprocessableError)) throw error;
    return { type: "refused", message: error.message, code: error.code };
  }
}

const port = parentPort;
if (port === null) throw new Error("this file is the entry of a worker thread");
port.on("message", (message: ToFileThread) => port.postMessage(answer(message)));
