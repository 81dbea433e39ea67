import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { runCommand } from "./command.mjs";
import { downloadPackages } from "./debian-archive.mjs";
import { SetupError } from "./setup-error.mjs";

const architectures = {
  x64: { triplet: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" },
  arm64: { triplet: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" },
};

/**
 * Puts programs of a suite of Debian into `bin` of a directory of their own, and what they link to into `lib`, unless they
 * are there. It takes seconds and needs Debian and its archive, but not root; nothing is installed on this machine.
 * `programs` are paths below the root that packages are unpacked into; the first has to answer `versionFlag`.
 * `libraries` are names of those that no program links to; `complete` gets the unfinished directory and adds to it.
 * Throws a SetupError that says what is in the way.
 */
export async function installPrograms({ directory, ...recipe }) {
  if (areInstalled(directory, recipe)) return;
  // Renamed when it is complete and has run: nobody finds half of it, and two may do this at the same time.
  const unfinished = `${directory}.${randomUUID()}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const tree = await unpackSuite(recipe, join(unfinished, "download"));
    await gather(tree, recipe, unfinished, directory);
    await rm(join(unfinished, "download"), { recursive: true });
    await recipe.complete?.(unfinished);
    await rename(unfinished, directory).catch((error) => {
      if (!areInstalled(directory, recipe)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** True when the directory has the programs. */
export function areInstalled(directory, { programs }) {
  return existsSync(join(directory, "bin", basename(programs[0])));
}

/** Resolves to what is unpacked, and to a function that runs a program of it. patchelf comes along, so that nothing is installed here. */
async function unpackSuite({ suite, packages }, directory) {
  const architecture = architectures[process.arch];
  if (architecture === undefined) {
    throw new SetupError(`there is no recipe for ${process.arch} processors`);
  }
  const wanted = [...packages, "patchelf"];
  const archives = await downloadPackages({ suite, packages: wanted, directory });
  const root = join(directory, "tree");
  for (const archive of archives) await runCommand("dpkg-deb", ["--extract", archive, root]);
  const libraries = join(root, "usr/lib", architecture.triplet);
  return { root, libraries, loader: architecture.loader };
}

/**
 * Takes the programs, the libraries that they map and their loader, and writes the final place of the loader into the
 * programs: the suite's C library is not this machine's.
 */
async function gather({ root, libraries, loader }, recipe, unfinished, directory) {
  const bin = join(unfinished, "bin");
  const lib = join(unfinished, "lib");
  await mkdir(bin);
  await mkdir(lib);
  const load = (args) =>
    runCommand(join(libraries, loader), ["--library-path", libraries, ...args]);
  const patchelf = join(root, "usr/bin/patchelf");
  const interpreter = join(directory, "lib", loader);
  const places = ["--set-interpreter", interpreter, "--set-rpath", "$ORIGIN/../lib"];
  for (const path of recipe.programs) {
    const file = join(root, path);
    const mapped = mappedFiles(await load(["--list", file]));
    for (const library of mapped) await take(library, lib);
    const program = join(bin, basename(path));
    await copyFile(file, program);
    await load([patchelf, "--force-rpath", ...places, program]);
  }
  for (const name of [loader, ...recipe.libraries]) await take(join(libraries, name), lib);
  const first = join(bin, basename(recipe.programs[0]));
  await runCommand(join(lib, loader), ["--library-path", lib, first, recipe.versionFlag]);
}

function take(library, directory) {
  return cp(library, join(directory, basename(library)), { dereference: true });
}

/** Files in the loader's list: `libc.so.6 => /lib/libc.so.6 (0x...)`. */
export function mappedFiles(list) {
  return [...list.matchAll(/ => (\/\S+) \(/g)].map(([, file]) => file);
}
