import { copyFile, mkdir, chmod } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestFarm } from "./farm.ts";

/** The shell of test builds, linked statically. */
export const BUSYBOX = ["/usr/bin/busybox", "/bin/busybox"].find((path) => existsSync(path));

/** Text of a Nix file whose `mk name script attributes` makes a derivation that runs the script in busybox's shell; another one for each salt. */
export function expression(body: string, salt = "0"): string {
  return `{ salt ? "${salt}" }:
let
  seed = ./seed;
  mk = name: script: attributes: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "\${seed}/busybox";
    args = [ "sh" "-e" "-c" script ];
  } // attributes);
in
${body}
`;
}

/** Puts the shell that the derivations of `expression` run in beside the files of a project's repository. */
export async function addSeed(farm: Pick<TestFarm, "directory">, project: string): Promise<void> {
  if (BUSYBOX === undefined) throw new Error("no busybox found; install busybox-static");
  const directory = join(farm.directory, "git", project, "seed");
  await mkdir(directory, { recursive: true });
  await copyFile(BUSYBOX, join(directory, "busybox"));
  await chmod(join(directory, "busybox"), 0o755);
}
