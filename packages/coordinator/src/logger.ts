import { pino, type Logger } from "pino";

export type { Logger };

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Paths that never reach a log line, wherever a request or its headers are logged. */
const SECRET_PATHS = ["headers.authorization", "headers.cookie", "*.password", "*.token"];

/** The process's logger: JSON lines on standard error, so that standard output stays free for answers. */
export function createLogger(level: LogLevel, destination = 2): Logger {
  return pino(
    { level, redact: { paths: SECRET_PATHS, censor: "[redacted]" }, base: null },
    pino.destination({ dest: destination, sync: true }),
  );
}
