import { SetupError } from "./setup-error.mjs";

const OLDEST = [20, 19];

/** Throws a SetupError on a Node that is older than package.json's engines allow. */
export function requireNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new SetupError(`Node ${version} is too old: install Node ${OLDEST.join(".")} or newer.`);
}
