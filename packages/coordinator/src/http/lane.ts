import type { IncomingMessage } from "node:http";

/** A request as far as lanes look at it. */
export type LaneRequest = Pick<IncomingMessage, "method" | "url" | "headers" | "socket">;

export interface LaneAnswer {
  /** As the router would call it. */
  readonly route: string;
  readonly status: number;
  /** Lines of the head, each with its end; the id of the request is not among them. */
  readonly head: string;
  /** A text has a character for each byte. */
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

/** Headers as a lane's answer has them. */
export function headOf(headers: Readonly<Record<string, string | number>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return lines.join("");
}
