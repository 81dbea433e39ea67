import { Writable } from "node:stream";
import { createLogger, type Logger } from "../logger.ts";

export interface LogCapture {
  readonly logger: Logger;
  /** Everything that was logged, as printed. */
  text(): string;
  /** Messages, in order. */
  messages(): string[];
  lines(): Record<string, unknown>[];
}

/** A logger whose lines a test can look at. */
export function captureLog(): LogCapture {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const lines = (): Record<string, unknown>[] =>
    chunks.map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    logger: createLogger("trace", stream),
    text: () => chunks.join(""),
    lines,
    messages: () => lines().map((line) => String(line["msg"])),
  };
}
