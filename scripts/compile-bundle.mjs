import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle, CODE_SUFFIX } from "../packages/worker/bin/bundle.js";

/** Keeps what V8 makes of a bundle's files when they are loaded. The thread's file is left to the thread. */
const directory = process.argv[2];
const bundle = new Bundle(directory);
for (const name of readdirSync(directory)) {
  if (name.endsWith(".js") && name !== "nar-thread.js") bundle.load(name);
}
for (const { name, code } of bundle.code()) {
  writeFileSync(join(directory, `${name}${CODE_SUFFIX}`), code);
}
