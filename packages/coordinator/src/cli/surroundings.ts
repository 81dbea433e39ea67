import type { Environment } from "../config/settings.ts";

/** What a command sees of the process, so that tests can run commands without one. */
export interface Surroundings {
  env: Environment;
  writeOut: (text: string) => void;
  writeErr: (text: string) => void;
  /** Aborts when the process is asked to stop. */
  stop: AbortSignal;
}
