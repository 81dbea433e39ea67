import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const COMPILED = new URL("../dist/cli/program.js", import.meta.url);
export const BUNDLE = fileURLToPath(new URL("../dist/bundle", import.meta.url));
const PROGRAM = "program.js";
/** The compiler writes it whenever it writes anything, also of the packages that this one needs. */
const COMPILER_RECORD = new URL("../dist/.tsbuildinfo", import.meta.url);

/**
 * Loads the command line. Three hundred modules in a few files load in a fifth of the time, and evaluators start as much earlier. A
 * daemon takes the modules as they are: its files may be replaced while it runs, and bundles have other names then.
 */
export async function loadProgram(command) {
  if (command === "run" || !isBundleCurrent()) return import(COMPILED);
  const { Bundle } = await import("./bundle.js");
  return new Bundle(BUNDLE).load(PROGRAM);
}

/** False when the compiler has run since. What was installed has no record of the compiler's. */
export function isBundleCurrent() {
  const bundledAt = writtenAt(`${BUNDLE}/${PROGRAM}`);
  return bundledAt !== undefined && bundledAt >= (writtenAt(COMPILER_RECORD) ?? 0);
}

function writtenAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
