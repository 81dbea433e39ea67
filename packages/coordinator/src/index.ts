/** What other packages may use: the daemon itself, for tests that run it in their own process. */
export { startCoordinator, type Coordinator } from "./main.ts";
export { loadConfig } from "./config/load-config.ts";
export { type Config } from "./config/settings.ts";
export { createLogger, type Logger, type LogLevel } from "./logger.ts";
export { runCli } from "./cli/program.ts";
export { type Surroundings } from "./cli/surroundings.ts";
