const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");
const { Script, constants } = require("node:vm");

/** Beside each file, what V8 has made of it. */
const CODE_SUFFIX = ".code";

/**
 * The files of a bundle in a directory. They are CommonJS, since only of such does this Node take what V8 has compiled before; another
 * version of V8 compiles them again.
 */
class Bundle {
  #directory;
  #require;
  #files = new Map();

  constructor(directory) {
    this.#directory = directory;
    this.#require = createRequire(path.join(directory, "program.js"));
  }

  /** What a file exports. */
  load(name) {
    const known = this.#files.get(name);
    if (known !== undefined) return known.module.exports;
    const filename = path.join(this.#directory, name);
    const text = readFileSync(filename, "utf8");
    const script = new Script(`(function (exports, require, module, __filename) {${text}\n})`, {
      filename,
      cachedData: readCode(filename),
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    const module = { exports: {} };
    this.#files.set(name, { module, script });
    const require = (id) => (id.startsWith("./") ? this.load(id.slice(2)) : this.#require(id));
    script.runInThisContext()(module.exports, require, module, filename);
    return module.exports;
  }

  /** Of each file that was loaded: what V8 has made of it by now, and whether it had to. */
  code() {
    return [...this.#files].map(([name, { script }]) => ({
      name,
      isNew: script.cachedDataRejected !== false,
      code: script.createCachedData(),
    }));
  }
}

function readCode(filename) {
  try {
    return readFileSync(`${filename}${CODE_SUFFIX}`);
  } catch {
    return undefined;
  }
}

module.exports = { Bundle, CODE_SUFFIX };
