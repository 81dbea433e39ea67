export { NarPool } from "./compress/nar-pool.ts";
export { loadConfig, type ConfigSources, type WorkerConfig } from "./config/load.ts";
export { UserError, WorkerError } from "./errors.ts";
export { createLogger, type Logger } from "./logger.ts";
export { runWorker, type WorkerOptions } from "./main.ts";
export { TransferAccess } from "./transfer/access.ts";
export { TRANSFER_TIMINGS, TransferClient, type TransferScope } from "./transfer/client.ts";
export { Transfers } from "./transfer/transfers.ts";
