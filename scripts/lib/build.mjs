import { bundleWorker } from "./bundle.mjs";
import { runCommand } from "./command.mjs";
import { installedProgram } from "./layout.mjs";

/** Compiles the TypeScript of all packages (the compiler skips what is up to date), bundles the worker, and makes what browsers load. */
export async function buildPackages(root) {
  await runCommand(installedProgram("tsc"), ["-b"], { cwd: root });
  await bundleWorker(root);
  await runCommand(installedProgram("vite"), ["build", "--logLevel", "warn", "packages/web"], {
    cwd: root,
  });
  return "tsc -b, rolldown, vite build";
}
