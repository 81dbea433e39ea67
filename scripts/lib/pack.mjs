import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runCommand } from "./command.mjs";

/** Packages that are installed on machines. */
export const daemons = ["worker", "coordinator"];

/** What only tests, compilers and debuggers read. */
const NOT_SHIPPED =
  /\.test\.js$|\.test-support\.js$|\/testing$|\.d\.ts$|\.map$|\.tsbuildinfo$|\/node_modules$/;

/**
 * Makes a tarball of a daemon that `npm install FILE` installs anywhere. The packages of this workspace that it needs lie inside,
 * since no registry has them; their own dependencies join the daemon's. Resolves to the file's path.
 */
export async function packDaemon(root, name, destination) {
  const stage = await mkdtemp(join(tmpdir(), "gradient-pack-"));
  try {
    await stageDaemon(root, name, stage);
    await mkdir(destination, { recursive: true });
    const argv = ["pack", "--json", "--loglevel=error", "--ignore-scripts"];
    argv.push("--pack-destination", resolve(destination));
    const [packed] = JSON.parse(await runCommand("npm", argv, { cwd: stage }));
    return join(resolve(destination), packed.filename);
  } finally {
    await rm(stage, { recursive: true });
  }
}

/** Lays a daemon out as it will be installed, without what a registry has. */
async function stageDaemon(root, name, stage) {
  const own = await readPackage(join(root, "packages", name));
  const workspaces = await findWorkspaces(root, own);
  await copyPackage(join(root, "packages", name), stage, ["bin", "dist"]);
  for (const { directory, manifest } of workspaces) {
    const place = join(stage, "node_modules", manifest.name);
    await copyPackage(directory, place, ["dist"]);
    await writePackage(place, libraryManifest(manifest));
  }
  await writePackage(stage, daemonManifest(own, workspaces));
}

/** The packages of this workspace that one needs, directly or by another of them. */
async function findWorkspaces(root, manifest, found = new Map()) {
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    const directory = join(root, "packages", dependency.replace(/^@gradient\//, ""));
    if (!dependency.startsWith("@gradient/") || found.has(dependency)) continue;
    const next = await readPackage(directory);
    found.set(dependency, { directory, manifest: next });
    await findWorkspaces(root, next, found);
  }
  return [...found.values()];
}

function daemonManifest(own, workspaces) {
  const dependencies = Object.assign({}, ...workspaces.map((each) => each.manifest.dependencies));
  return {
    name: own.name.replace("@gradient/", "gradient-"),
    version: own.version,
    description: own.description,
    type: own.type,
    bin: own.bin,
    engines: { node: ">=20.19" },
    dependencies: { ...dependencies, ...own.dependencies },
    bundleDependencies: workspaces.map((each) => each.manifest.name),
  };
}

function libraryManifest({ name, version, type, exports }) {
  const shipped = Object.entries(exports).map(([key, file]) => [key, file.default ?? file]);
  return { name, version, type, exports: Object.fromEntries(shipped) };
}

async function copyPackage(from, to, directories) {
  for (const directory of directories) {
    const source = join(from, directory);
    if (!existsSync(source)) throw new Error(`${source} is not there: run npm run build`);
    const filter = (file) => !NOT_SHIPPED.test(file);
    await cp(source, join(to, directory), { recursive: true, filter });
  }
}

async function readPackage(directory) {
  return JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
}

async function writePackage(directory, manifest) {
  await writeFile(join(directory, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}
