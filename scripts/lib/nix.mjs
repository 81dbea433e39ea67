import { findProgram, runCommand } from "./command.mjs";
import { SetupError } from "./setup-error.mjs";

/** Programs of Nix that the farm and its tests start. */
export const nixPrograms = ["nix", "nix-store", "nix-instantiate"];

/** The first whose daemon answers a build with its result (worker protocol 1.34). */
const OLDEST = { major: 2, minor: 8 };

/** As many builds can run at once as root; Nix's own installer makes so many, too. */
const BUILD_USERS = 10;

/** Sees that the Nix on PATH is one that we can use, and that it may build. Resolves to its version and place. */
export async function checkNix() {
  const output = await runCommand("nix-store", ["--version"]);
  const version = parseNixVersion(output);
  if (version === undefined) throw new SetupError(`nix-store --version says '${output.trim()}'`);
  if (!isNewEnough(version))
    throw new SetupError(
      `Nix ${version} is too old: install ${OLDEST.major}.${OLDEST.minor} or newer so that it comes first on PATH.`,
    );
  const made = await makeBuildUsers();
  return `Nix ${version}, ${findProgram("nix-store")}${made ? ", build users made" : ""}`;
}

/** `2.8.0` of `nix-store (Nix) 2.8.0`; undefined for other texts. */
export function parseNixVersion(text) {
  return /\(.*Nix.*\) (\d+\.\d+\S*)/.exec(text)?.[1];
}

/** Versions from 2.8 on. */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor);
}

/**
 * Nix as root refuses to build without the group nixbld, which Debian's package does not make.
 * Resolves to false when there is nothing to do.
 */
async function makeBuildUsers() {
  if (process.getuid?.() !== 0 || (await exists("group", "nixbld"))) return false;
  await runCommand("groupadd", ["--system", "nixbld"]);
  for (let number = 1; number <= BUILD_USERS; number += 1) await makeBuildUser(number);
  return true;
}

async function makeBuildUser(number) {
  const name = `nixbld${number}`;
  if (await exists("passwd", name)) return;
  const account = ["--system", "--no-create-home", "--home-dir", "/var/empty"];
  const groups = ["--no-user-group", "--gid", "nixbld", "--groups", "nixbld"];
  const shell = ["--shell", "/usr/sbin/nologin", "--comment", `Nix build user ${number}`];
  await runCommand("useradd", [...account, ...groups, ...shell, name]);
}

async function exists(database, name) {
  return runCommand("getent", [database, name]).then(
    () => true,
    () => false,
  );
}
