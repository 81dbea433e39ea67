import { pino, type DestinationStream, type Logger } from "pino";
import type { LogLevel } from "./log-levels.ts";

export type { Logger };

/** Paths that never reach a log line, wherever a message or a request is logged. */
const SECRET_PATHS = [
  "*.token",
  "*.tokens",
  "*.transferToken",
  "*.credentials",
  "*.sshPrivateKey",
  "headers.authorization",
];

/** The process's logger: JSON lines on standard error, so that standard output stays free for answers. */
export function createLogger(
  level: LogLevel,
  destination: DestinationStream = pino.destination({ dest: 2, sync: true }),
): Logger {
  return pino(
    { level, redact: { paths: SECRET_PATHS, censor: "[redacted]" }, base: null },
    destination,
  );
}
