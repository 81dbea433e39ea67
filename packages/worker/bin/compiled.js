import { statSync } from "node:fs";

const COMPILED = new URL("../dist/cli/program.js", import.meta.url);
const BUNDLED = new URL("../dist/bundle/program.js", import.meta.url);
/** The compiler writes it whenever it writes anything, also of the packages that this one needs. */
const COMPILER_RECORD = new URL("../dist/.tsbuildinfo", import.meta.url);

/**
 * Where the command line is loaded from. Three hundred modules in a few files load in a fifth of the time, and evaluators start as
 * much earlier. A daemon takes the modules as they are: its files may be replaced while it runs, and bundles have other names then.
 */
export function programFile(command) {
  return command !== "run" && isBundleCurrent() ? BUNDLED : COMPILED;
}

/** False when the compiler has run since. What was installed has no record of the compiler's. */
export function isBundleCurrent() {
  const bundledAt = writtenAt(BUNDLED);
  return bundledAt !== undefined && bundledAt >= (writtenAt(COMPILER_RECORD) ?? 0);
}

function writtenAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
