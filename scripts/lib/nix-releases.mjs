import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, rename, rm, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cacheDirectory } from "./cache-directory.mjs";
import { runCommand } from "./command.mjs";
import { downloadPackages } from "./debian-archive.mjs";
import { parseNixVersion } from "./nix.mjs";
import { SetupError } from "./setup-error.mjs";

/** Versions of Nix that can stand beside the machine's own, and the suite of Debian that has them. sid moves on. */
export const nixReleases = {
  2.26: { suite: "trixie" },
  2.34: { suite: "sid" },
};

/** Names under which the one program of Nix is called. */
const PROGRAMS = [
  "nix-build",
  "nix-collect-garbage",
  "nix-copy-closure",
  "nix-daemon",
  "nix-env",
  "nix-hash",
  "nix-instantiate",
  "nix-prefetch-url",
  "nix-shell",
  "nix-store",
];

/** The C library loads these while it runs, so no list of what a program links to has them. */
const LOADED_LATER = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

const architectures = {
  x64: { triplet: "x86_64-linux-gnu", loader: "ld-linux-x86-64.so.2" },
  arm64: { triplet: "aarch64-linux-gnu", loader: "ld-linux-aarch64.so.1" },
};

/** Where a version lies, or would lie. Its programs are in `bin`. */
export function nixDirectory(release, env = process.env) {
  return join(cacheDirectory(env), `nix-${release}`);
}

/** Directories of the versions that are installed, by version. */
export function installedNixReleases(env = process.env) {
  const all = Object.keys(nixReleases).map((release) => [release, nixDirectory(release, env)]);
  return Object.fromEntries(all.filter(([, directory]) => existsSync(join(directory, "bin/nix"))));
}

/** The environments in which tests meet the versions that are installed, by version. */
export function nixTestEnvironments(env = process.env) {
  const all = Object.entries(installedNixReleases(env)).map(([release, directory]) => {
    const programs = join(directory, "bin");
    // Newer versions take no store below a directory that everybody can write, as /tmp and /var/tmp are.
    const temporary = join(directory, "tmp");
    const path = [programs, env.PATH ?? ""].join(delimiter);
    const places = { PATH: path, TMPDIR: temporary, GRADIENT_TEST_DIR: temporary };
    return [release, { ...places, GRADIENT_TEST_NIX: programs }];
  });
  return Object.fromEntries(all);
}

/**
 * Puts a version of Nix into a directory of its own, unless it is there, and resolves to `{ version, directory }`.
 * It takes seconds and needs Debian and its archive, but not root. Throws a SetupError that says what is in the way.
 */
export async function installNix(release) {
  const directory = nixDirectory(release);
  const { suite } = nixReleases[release] ?? {};
  if (suite === undefined) {
    const known = Object.keys(nixReleases).join(", ");
    throw new SetupError(`Nix ${release} cannot be installed by this; it can install ${known}`);
  }
  if (!existsSync(join(directory, "bin/nix"))) await installFrom(suite, directory);
  const said = await runCommand(join(directory, "bin/nix"), ["--version"]);
  return { version: parseNixVersion(said), directory };
}

/**
 * The same for the tests, which do without a version that cannot be had. Resolves to a few words.
 */
export async function provideNix(release) {
  try {
    const { version, directory } = await installNix(release);
    return `${version}, ${directory}`;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return `its tests are skipped: ${error.message}`;
  }
}

/** Renamed when it is complete and has run: nobody finds half of it, and two may do this at the same time. */
async function installFrom(suite, directory) {
  const unfinished = `${directory}.${randomUUID()}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const tree = await unpackSuite(suite, join(unfinished, "download"));
    await gather(tree, unfinished, directory);
    await rm(join(unfinished, "download"), { recursive: true });
    await rename(unfinished, directory).catch((error) => {
      if (!existsSync(join(directory, "bin/nix"))) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Resolves to where programs and libraries lie after unpacking. patchelf comes along, so that nothing is installed here. */
async function unpackSuite(suite, directory) {
  const architecture = architectures[process.arch];
  if (architecture === undefined) {
    throw new SetupError(`there is no recipe for ${process.arch} processors`);
  }
  const packages = ["nix-bin", "patchelf"];
  const archives = await downloadPackages({ suite, packages, directory });
  const tree = join(directory, "tree");
  for (const archive of archives) await runCommand("dpkg-deb", ["--extract", archive, tree]);
  const libraries = join(tree, "usr/lib", architecture.triplet);
  return { programs: join(tree, "usr/bin"), libraries, loader: architecture.loader };
}

/**
 * Takes the program, the libraries that it maps and their loader, and writes the final place of the loader into the
 * program: the suite's C library is not this machine's.
 */
async function gather({ programs, libraries, loader }, unfinished, directory) {
  const bin = join(unfinished, "bin");
  const lib = join(unfinished, "lib");
  await mkdir(bin);
  await mkdir(lib);
  // Where tests make their stores.
  await mkdir(join(unfinished, "tmp"));
  const load = (args) =>
    runCommand(join(libraries, loader), ["--library-path", libraries, ...args]);
  for (const file of mappedFiles(await load(["--list", join(programs, "nix")]))) {
    await cp(file, join(lib, file.slice(file.lastIndexOf("/") + 1)), { dereference: true });
  }
  for (const name of [loader, ...LOADED_LATER]) {
    await cp(join(libraries, name), join(lib, name), { dereference: true });
  }
  const program = join(bin, "nix");
  await copyFile(join(programs, "nix"), program);
  const places = [
    "--set-interpreter",
    join(directory, "lib", loader),
    "--set-rpath",
    "$ORIGIN/../lib",
  ];
  await load([join(programs, "patchelf"), "--force-rpath", ...places, program]);
  for (const name of PROGRAMS) await symlink("nix", join(bin, name));
  await runCommand(join(lib, loader), ["--library-path", lib, program, "--version"]);
}

/** Files in the loader's list: `libc.so.6 => /lib/libc.so.6 (0x...)`. */
export function mappedFiles(list) {
  return [...list.matchAll(/ => (\/\S+) \(/g)].map(([, file]) => file);
}
