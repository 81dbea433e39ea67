import { setImmediate } from "node:timers/promises";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";

/** What a shell gives for a program that SIGPIPE ended. */
const PIPE_CLOSED_EXIT_CODE = 141;

/** Resolves when the text is on its way. Rejects with a UserError when nobody reads any more. */
export function writeOut(text: string): Promise<void> {
  const { stdout } = process;
  return new Promise((resolve, reject) => {
    stdout.write(text, (error) => {
      if (!error) resolve();
      else if (errnoOf(error) === "EPIPE") {
        const message = "nobody reads standard output any more";
        reject(new UserError("output-closed", message, { exitCode: PIPE_CLOSED_EXIT_CODE }));
      } else {
        const message = `cannot write to standard output: ${reasonOf(error)}`;
        reject(new UserError("output-failed", message, { cause: error }));
      }
    });
  });
}

/** So much is held at most. */
const MAX_HELD_CHARACTERS = 64 * 1024;

/** Lines for standard output. Those that come at the same time are written at once, and wake whoever reads them once. */
export class OutputLines implements AsyncDisposable {
  #held = "";
  #writing: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;

  /** Resolves when there is room for more. Rejects with what an earlier line could not be written for, as does the end. */
  async add(line: string): Promise<void> {
    this.#throwFailure();
    this.#held += `${line}\n`;
    this.#writing ??= this.#write();
    if (this.#held.length > MAX_HELD_CHARACTERS) await this[Symbol.asyncDispose]();
  }

  /** Resolves when all of them are on their way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#throwFailure();
  }

  /** Once: whoever has heard of it writes nothing more. */
  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure.error;
  }

  async #write(): Promise<void> {
    try {
      while (this.#held !== "") {
        await setImmediate();
        const text = this.#held;
        this.#held = "";
        await writeOut(text);
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#writing = null;
  }
}
