import { mkdir, symlink } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cacheDirectory } from "./cache-directory.mjs";
import { runCommand } from "./command.mjs";
import { parseNixVersion } from "./nix.mjs";
import { SetupError } from "./setup-error.mjs";
import { areInstalled, installPrograms } from "./suite-programs.mjs";

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

const recipe = {
  packages: ["nix-bin"],
  programs: ["usr/bin/nix"],
  versionFlag: "--version",
  // The C library loads these while it runs, so no list of what a program links to has them.
  libraries: ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"],
  complete: async (directory) => {
    for (const name of PROGRAMS) await symlink("nix", join(directory, "bin", name));
    // Where tests make their stores.
    await mkdir(join(directory, "tmp"));
  },
};

/** Where a version lies, or would lie. Its programs are in `bin`. */
export function nixDirectory(release, env = process.env) {
  return join(cacheDirectory(env), `nix-${release}`);
}

/** Directories of the versions that are installed, by version. */
export function installedNixReleases(env = process.env) {
  const all = Object.keys(nixReleases).map((release) => [release, nixDirectory(release, env)]);
  return Object.fromEntries(all.filter(([, directory]) => areInstalled(directory, recipe)));
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
  await installPrograms({ ...recipe, suite, directory });
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
