import { randomUUID } from "node:crypto";
import { rm, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isBundleCurrent } from "../../packages/worker/bin/compiled.js";
import { runCommand } from "./command.mjs";

/** The command, and a thread that is found by its name beside the file that starts it. */
const ENTRIES = { program: "cli/program.js", "nar-thread": "compress/nar-thread.js" };
/** Finds its binary by where it lies. */
const NATIVE = /^zstd-napi$/;

/** Puts the worker's short commands, with their libraries, into few files, which load faster. Does nothing while the last ones hold. */
export async function bundleWorker(root) {
  if (isBundleCurrent()) return;
  const { rolldown } = await import("rolldown");
  const compiled = join(root, "packages/worker/dist");
  const files = Object.entries(ENTRIES).map(([name, file]) => [name, join(compiled, file)]);
  const bundle = await rolldown({
    input: Object.fromEntries(files),
    platform: "node",
    external: NATIVE,
    plugins: [{ name: "daemon", resolveId: (id, importer) => besideBundle(id, importer) }],
  });
  const stage = join(compiled, `bundle-${randomUUID()}`);
  try {
    await bundle.write({
      dir: stage,
      format: "cjs",
      chunkFileNames: "[name]-[hash].js",
      // Less to read; names stay, for what is said of faults.
      minify: { compress: false, mangle: false, codegen: true },
    });
    await writeFile(join(stage, "package.json"), '{ "type": "commonjs" }\n');
    // By a process of its own, since V8 takes only what was made with the same flags.
    await runCommand(process.execPath, [join(root, "scripts/compile-bundle.mjs"), stage]);
    await rm(join(compiled, "bundle"), { recursive: true, force: true });
    await rename(stage, join(compiled, "bundle"));
  } finally {
    await bundle.close();
    await rm(stage, { recursive: true, force: true });
  }
}

/** The daemon runs from the compiled files. */
function besideBundle(id, importer) {
  const isDaemon = id === "./run.js" && importer?.endsWith("/cli/program.js") === true;
  return isDaemon ? { id: "../cli/run.js", external: "absolute" } : null;
}
