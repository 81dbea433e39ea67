import type { IncomingMessage } from "node:http";

/** A request as far as lanes look at it. */
export type LaneRequest = Pick<IncomingMessage, "method" | "url" | "headers" | "socket">;

export interface LaneAnswer {
  /** As the router would call it. */
  readonly route: string;
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** Text is ASCII. */
  readonly body: string | Buffer;
  /** What is done behind the answer, for which a client waits. */
  readonly after: () => void;
}

/** Answers some requests before the router, at once and with the same bytes. */
export interface Lane {
  /** null for what the router is to answer. Never throws. */
  answer(request: LaneRequest): LaneAnswer | null;
}

/** The answer of the first lane that has one. */
export function answerOf(lanes: readonly Lane[], request: LaneRequest): LaneAnswer | null {
  for (const lane of lanes) {
    const answer = lane.answer(request);
    if (answer !== null) return answer;
  }
  return null;
}
