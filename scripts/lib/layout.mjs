import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Programs that the commands end in, compiled from test/demo and test/perf. */
export const entries = {
  demonstration: join(root, "test/dist/demo/main.js"),
  benchmark: join(root, "test/dist/perf/main.js"),
};

/** A program that npm installed. */
export function installedProgram(name) {
  return join(root, "node_modules/.bin", name);
}
