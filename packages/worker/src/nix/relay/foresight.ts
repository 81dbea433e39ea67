import type { Request } from "../daemon/request.ts";
import { DaemonProtocolError } from "../nix-error.ts";

/** What a client will ask of a path as soon as it has the answer to something else. */
export interface Question {
  readonly operation: number;
  readonly path: string;
  readonly answer: () => Request;
  /** What it will ask after this one. */
  readonly next: Question | null;
}

/**
 * Answers questions before they are asked: the client finds the answer when it asks, and does not wait for another process. Only what a
 * client was seen to ask after such an answer is foreseen. It must not remember the answer, for if it did not ask one day it would take it
 * for that to something else.
 */
export class Foresight {
  readonly #habits = new Set<number>();
  /** Answered, and not asked yet. */
  #answered: readonly Question[] = [];
  /** Comes after those, if the client has a habit that is not known yet. */
  #expected: Question | null = null;

  /** The answer with all that is to be sent now. */
  join(answer: Request, next: Question): Request {
    const answered: Question[] = [];
    let expected: Question | null = next;
    while (expected !== null && this.#habits.has(expected.operation)) {
      answer.raw(expected.answer().bytes());
      answered.push(expected);
      expected = expected.next;
    }
    this.#answered = answered;
    this.#expected = expected;
    return answer;
  }

  /** It was answered more than it has asked. */
  get isAhead(): boolean {
    return this.#answered.length > 0;
  }

  /**
   * What to answer to a question; null when it is answered already, undefined when it was not foreseen. Throws when the client would take
   * the answer that it has for the one to this.
   */
  take(operation: number, path: string): Request | null | undefined {
    const [first, ...others] = this.#answered;
    if (first !== undefined) {
      if (first.operation !== operation || first.path !== path) {
        throw new DaemonProtocolError(
          `an evaluator was expected to ask of ${first.path}, and asked something else`,
        );
      }
      this.#answered = others;
      return null;
    }
    const expected = this.#expected;
    this.#expected = null;
    if (expected?.operation !== operation || expected.path !== path) return undefined;
    this.#habits.add(operation);
    const answer = expected.answer();
    return expected.next === null ? answer : this.join(answer, expected.next);
  }
}
