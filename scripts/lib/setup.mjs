import { buildPackages } from "./build.mjs";
import { installDependencies, reasonToInstall } from "./dependencies.mjs";
import { root } from "./layout.mjs";
import { arePrebuilt } from "./native-modules.mjs";
import { checkNix } from "./nix.mjs";
import { requireNode } from "./node-version.mjs";
import { meetRequirements } from "./requirements.mjs";
import { runStep } from "./step.mjs";

/**
 * Makes a clean clone ready to run: what the machine must have, the dependencies, the compiled packages.
 * Each step does nothing when there is nothing to do. `further` names requirements beyond those of every command.
 */
export async function setUp(further = []) {
  requireNode();
  const names = ["nix", "git", "busybox", ...further];
  if (await willCompile()) names.push("compiler");
  await runStep("machine", () => meetRequirements(names));
  await runStep("nix", checkNix);
  await runStep("dependencies", () => installDependencies(root));
  await runStep("build", () => buildPackages(root));
}

async function willCompile() {
  return (await reasonToInstall(root)) !== undefined && !(await arePrebuilt(root));
}
