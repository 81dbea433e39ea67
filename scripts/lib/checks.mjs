import { runCommand } from "./command.mjs";
import { root } from "./layout.mjs";
import { describeFailure, runStep } from "./step.mjs";

/** Scripts of package.json that look at the code, and at what is made from it. `lint` also holds the direction of imports. */
const checks = ["lint", "format:check", "unused", "openapi:check", "docs:check"];

/** Runs all checks, shows what they find, and resolves to how many failed. */
export async function runChecks() {
  let failed = 0;
  for (const name of checks) {
    try {
      await runStep(name, () => runCheck(name));
    } catch (error) {
      process.stdout.write(`${describeFailure(error)}\n`);
      failed += 1;
    }
  }
  return failed;
}

async function runCheck(name) {
  await runCommand("npm", ["run", "--silent", name], { cwd: root });
  return "clean";
}
