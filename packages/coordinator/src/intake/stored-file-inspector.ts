import { Worker } from "node:worker_threads";
import { UnprocessableError } from "../errors.ts";
import { threadEntry } from "../thread-entry.ts";
import { ThreadReplies } from "../thread-replies.ts";
import type { FromFileThread, StoredFile, ToFileThread } from "./stored-file-messages.ts";

/** Megabytes: the thread makes few objects that live. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 };

/** Has stored files inspected by a thread, one after the other, while this one has its time for all else. */
export class StoredFileInspector implements AsyncDisposable {
  readonly #thread: Worker;
  readonly #answers = new ThreadReplies<FromFileThread>();

  constructor() {
    this.#thread = new Worker(threadEntry("intake/stored-file-thread.js"), {
      execArgv: [],
      resourceLimits: THREAD_LIMITS,
    });
    this.#thread.on("message", (answer: FromFileThread) => this.#answers.give(answer));
    this.#thread.on("error", (error) => this.#answers.end(error));
  }

  /**
   * What a zstd file with a NAR is, which is read as far as it takes. What the source throws stays as it is. Throws UnprocessableError for a file that is damaged or ends too early,
   * and what NarInspection throws.
   */
  async inspect(source: AsyncIterable<Uint8Array>, maxNarBytes: number): Promise<StoredFile> {
    let asked = this.#ask({ type: "begin", maxNarBytes });
    for await (const chunk of source) {
      // One is looked at while the next one is read.
      refuse(await asked);
      const bytes = Uint8Array.from(chunk);
      asked = this.#ask({ type: "chunk", bytes }, [bytes.buffer]);
    }
    refuse(await asked);
    const answer = await this.#ask({ type: "end" });
    refuse(answer);
    if (answer.type === "inspected") return answer.file;
    throw new Error(`the thread says '${answer.type}' of a whole file`);
  }

  #ask(message: ToFileThread, handedOver: ArrayBuffer[] = []): Promise<FromFileThread> {
    const answer = this.#answers.next();
    this.#thread.postMessage(message, handedOver);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread.terminate();
  }
}

function refuse(answer: FromFileThread): void {
  if (answer.type !== "refused") return;
  throw new UnprocessableError(answer.message, { code: answer.code });
}
