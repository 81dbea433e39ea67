import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { root } from "./programs.ts";

interface Pack {
  packDaemon: (root: string, name: string, destination: string) => Promise<string>;
}
interface NativeModules {
  installEnvironment: () => NodeJS.ProcessEnv;
}

/** The environment in which npm installs what this machine has compiled before. */
export async function installEnvironment(): Promise<NodeJS.ProcessEnv> {
  const module = (await import(join(root, "scripts/lib/native-modules.mjs"))) as NativeModules;
  return module.installEnvironment();
}

/** Packs a daemon and installs the tarball in an empty directory, as a user does. Resolves to the directory of its commands. */
export async function installFromPack(name: string, directory: string): Promise<string> {
  const { packDaemon } = (await import(join(root, "scripts/lib/pack.mjs"))) as Pack;
  const tarball = await packDaemon(root, name, join(directory, "packs"));
  const place = join(directory, name);
  await mkdir(place);
  await execa("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], {
    cwd: place,
    env: await installEnvironment(),
  });
  return join(place, "node_modules/.bin");
}
