import { installedProgram } from "./layout.mjs";
import { runCommand } from "./command.mjs";

/** Compiles the TypeScript of all packages (the compiler skips what is up to date), and makes what browsers load. */
export async function buildPackages(root) {
  await runCommand(installedProgram("tsc"), ["-b"], { cwd: root });
  await runCommand(installedProgram("vite"), ["build", "--logLevel", "warn", "packages/web"], {
    cwd: root,
  });
  return "tsc -b, vite build";
}
