import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "./command.mjs";
import { findUnloadable, installEnvironment, keepCompiled } from "./native-modules.mjs";

/** Installs what package-lock.json asks for, unless it is installed. */
export async function installDependencies(root) {
  const reason = await reasonToInstall(root);
  if (reason === undefined) {
    await keepCompiled(root);
    return "up to date";
  }
  const npmCi = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  await runCommand("npm", npmCi, { cwd: root, env: installEnvironment() });
  await keepCompiled(root);
  return `npm ci (${reason})`;
}

/** Why node_modules is not what package-lock.json asks for, or undefined when it is. */
export async function reasonToInstall(root) {
  const [wanted, installed] = await Promise.all([
    readPackages(join(root, "package-lock.json")),
    readPackages(join(root, "node_modules/.package-lock.json")).catch(() => undefined),
  ]);
  if (installed === undefined) return "node_modules is not there or incomplete";
  const changed = findChange(wanted, installed);
  if (changed !== undefined) return `${changed} changed`;
  const unloadable = findUnloadable(root);
  if (unloadable !== undefined) return `this Node cannot load ${unloadable}`;
  return undefined;
}

async function readPackages(file) {
  return JSON.parse(await readFile(file, "utf8")).packages;
}

/**
 * The first package that is not installed as the lock file says. npm writes node_modules/.package-lock.json last, with
 * the same entries; it leaves out the root and the optional packages of other systems.
 */
export function findChange(wanted, installed) {
  const differs = ([place, entry]) => {
    const present = installed[place];
    if (present === undefined) return place !== "" && entry.optional !== true;
    return present.version !== entry.version || present.integrity !== entry.integrity;
  };
  const name = ([place]) => place.replace(/^.*node_modules\//, "");
  const changed = Object.entries(wanted).find(differs);
  if (changed !== undefined) return name(changed);
  const leftOver = Object.entries(installed).find(([place]) => wanted[place] === undefined);
  return leftOver === undefined ? undefined : name(leftOver);
}
