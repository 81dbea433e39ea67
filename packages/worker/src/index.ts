export { loadConfig, type ConfigSources, type WorkerConfig } from "./config/load.ts";
export { UserError, WorkerError } from "./errors.ts";
export { createLogger, type Logger } from "./logger.ts";
export { runWorker, type WorkerOptions } from "./main.ts";
