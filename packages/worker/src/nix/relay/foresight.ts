import type { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";

/** What a client will ask of a path as soon as it has the answer to something else. */
export interface Question {
  readonly operation: number;
  readonly path: string;
  readonly answer: () => Request;
}

/**
 * Answers a question before it is asked: the client finds the answer when it asks, and does not wait for another process. Only what a
 * client was seen to ask after such an answer is foreseen. It must not remember the answer, for if it did not ask one day it would take it
 * for that to something else.
 */
export class Foresight {
  readonly #habits = new Set<number>();
  #next: Question | null = null;
  #isAnswered = false;

  /** The answer with all that is to be sent now. */
  join(answer: Request, next: Question): Request {
    this.#next = next;
    this.#isAnswered = this.#habits.has(next.operation);
    return this.#isAnswered ? answer.raw(next.answer().bytes()) : answer;
  }

  /** What to answer to a question; null when it is answered already, undefined when it was not foreseen. */
  take(operation: number, path: string): Request | null | undefined {
    const next = this.#next;
    if (next?.operation !== operation || next.path !== path) {
      this.pass();
      return undefined;
    }
    const isAnswered = this.#isAnswered;
    this.#next = null;
    this.#isAnswered = false;
    this.#habits.add(operation);
    return isAnswered ? null : next.answer();
  }

  /** Something else is asked. Throws when the client would take the answer that it has for the one to that. */
  pass(): void {
    if (this.#isAnswered) {
      throw new DaemonProtocolError(
        `an evaluator was expected to ask of ${this.#next?.path}, and asked something else`,
      );
    }
    this.#next = null;
  }
}
