const { statSync } = require("node:fs");
const path = require("node:path");

const COMPILED = "../dist/cli/program.js";
const BUNDLE = path.join(__dirname, "../dist/bundle");
const PROGRAM = "program.js";
/** The compiler writes it whenever it writes anything, also of the packages that this one needs. */
const COMPILER_RECORD = path.join(__dirname, "../dist/.tsbuildinfo");

/**
 * Loads the command line. Three hundred modules in a few files load in a fifth of the time, and evaluators start as much earlier; and
 * without a module of the other kind on the way Node need not start its loader for those. A daemon takes the modules as they are: its files
 * may be replaced while it runs, and bundles have other names then.
 */
async function loadProgram(command) {
  if (command === "run" || !isBundleCurrent()) return import(COMPILED);
  const { Bundle } = require("./bundle.js");
  return new Bundle(BUNDLE).load(PROGRAM);
}

/** False when the compiler has run since. What was installed has no record of the compiler's. */
function isBundleCurrent() {
  const bundledAt = writtenAt(`${BUNDLE}/${PROGRAM}`);
  return bundledAt !== undefined && bundledAt >= (writtenAt(COMPILER_RECORD) ?? 0);
}

function writtenAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

module.exports = { BUNDLE, isBundleCurrent, loadProgram };
