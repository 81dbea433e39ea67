import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheDirectory } from "./cache-directory.mjs";
import { runCommand } from "./command.mjs";

/**
 * better-sqlite3 and zstd-napi are C++ and come without binaries. Their installer, prebuild-install, downloads one if it
 * can; otherwise node-gyp compiles, which takes minutes. What was compiled is kept for this machine in the shape in
 * which prebuild-install looks for it, so that the next clone installs in seconds.
 */
const nativeModules = [
  { name: "better-sqlite3", binary: "better_sqlite3.node", runtime: "node" },
  { name: "zstd-napi", binary: "binding.node", runtime: "napi", napiVersion: 8 },
];

/** Where this machine keeps what it has compiled. */
export function prebuildsDirectory(env = process.env) {
  return join(cacheDirectory(env), "prebuilds");
}

/** The name under which prebuild-install looks for a module: version, ABI, system and processor are in it. */
export function prebuildName({ name, version, runtime, napiVersion }) {
  const abi = napiVersion ?? process.versions.modules;
  return `${name}-v${version}-${runtime}-v${abi}-${process.platform}-${process.arch}.tar.gz`;
}

/** The environment in which npm installs native modules: from the cache, or with the headers that lie next to Node. */
export function installEnvironment(env = process.env) {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, "include/node/node.h"));
  return {
    JOBS: "max",
    ...env,
    ...(headers ? { npm_config_nodedir: prefix } : {}),
    npm_config_better_sqlite3_local_prebuilds: prebuildsDirectory(env),
    npm_config_zstd_napi_local_prebuilds: prebuildsDirectory(env),
  };
}

/** True when every native module that the lock file asks for lies in the cache, so that no compiler is needed. */
export async function arePrebuilt(root) {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8"));
  return nativeModules.every((module) => {
    const { version } = packages[`node_modules/${module.name}`];
    return existsSync(join(prebuildsDirectory(), prebuildName({ ...module, version })));
  });
}

/** The first native module in node_modules that this Node cannot load, or undefined. */
export function findUnloadable(root) {
  const require = createRequire(join(root, "package.json"));
  return nativeModules.find(({ name, binary }) => {
    try {
      require(`${name}/build/Release/${binary}`);
      return false;
    } catch {
      return true;
    }
  })?.name;
}

/** Puts the native modules in node_modules into the cache, unless they are there. */
export async function keepCompiled(root) {
  const directory = prebuildsDirectory();
  await mkdir(directory, { recursive: true });
  for (const module of nativeModules) {
    const place = join(root, "node_modules", module.name);
    const { version } = JSON.parse(await readFile(join(place, "package.json"), "utf8"));
    const archive = join(directory, prebuildName({ ...module, version }));
    if (!existsSync(archive)) await pack(place, `build/Release/${module.binary}`, archive);
  }
}

/** Renamed when complete: two clones may do this at the same time, and none of them reads half an archive. */
async function pack(place, file, archive) {
  const unfinished = `${archive}.${randomUUID()}`;
  await runCommand("tar", ["-czf", unfinished, "-C", place, file]);
  await rename(unfinished, archive);
}
