import { mkdir } from "node:fs/promises";
import path from "node:path";
import { writeWhole } from "../atomic-file.ts";
import { reasonOf } from "../error-facts.ts";
import { WorkerError } from "../errors.ts";

/** Answers Nix's question with "never", and stays until Nix has written all that it wants to say. */
const DECLINE = `#!/bin/sh
# Nix asks this program whether another machine should build a derivation.
echo '# decline-permanently' >&2
read -r _
`;

/**
 * Settings that spare a process of Nix for each build. Before a build Nix asks its hook whether another machine takes it, and
 * the hook is a whole \`nix __build-remote\`: 24 of the 40 ms of CPU time that a trivial build costs with Nix 2.8. From 2.26 on
 * the hook can be left out; before, it must be a program, so it is one that costs nothing.
 */
export async function buildHookConfig(version: string, stateDirectory: string): Promise<string[]> {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || minor >= 26) return ["build-hook ="];
  const file = path.join(stateDirectory, "build-hook");
  // The setting is split at spaces.
  if (/\s/.test(file)) return [];
  try {
    await mkdir(stateDirectory, { recursive: true });
    await writeWhole(file, DECLINE, 0o755);
  } catch (cause) {
    throw new WorkerError("state-dir", `cannot write ${file}: ${reasonOf(cause)}`, { cause });
  }
  return [`build-hook = ${file}`];
}
