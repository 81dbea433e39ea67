import { installedProgram } from "./layout.mjs";
import { runCommand } from "./command.mjs";

/** Compiles the TypeScript of all packages; the compiler skips what is up to date. */
export async function buildPackages(root) {
  await runCommand(installedProgram("tsc"), ["-b"], { cwd: root });
  return "tsc -b";
}
