import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, findProgram, runCommand } from "./command.mjs";
import { SetupError } from "./setup-error.mjs";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Downloads packages of another suite, with everything they depend on, and resolves to the files. It needs no root, and
 * what is installed here, the machine's sources and its package lists stay as they are: apt works in the directory,
 * with a source and a status of its own. It verifies all signatures. Throws a SetupError when this machine cannot do it.
 */
export async function downloadPackages({ suite, packages, directory }) {
  requireTools();
  const options = await privateApt(directory, `${await findMirror()} ${suite} main`);
  await aptGet([...options, "-qq", "update"], suite);
  await aptGet([...options, "-qq", "-y", "--download-only", "install", ...packages], suite);
  const archives = join(directory, "cache/archives");
  const files = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
  return files.map((name) => join(archives, name));
}

function requireTools() {
  const missing = ["apt-get", "dpkg-deb"].filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) {
    throw new SetupError(`this is not Debian: there is no ${missing.join(" and no ")}`);
  }
  if (!existsSync(KEYRING)) {
    throw new SetupError(`${KEYRING} is not there: install debian-archive-keyring`);
  }
}

async function findMirror() {
  const mirror = mirrorOf(await runCommand("apt-get", ["--print-uris", "update"]));
  if (mirror === undefined) {
    throw new SetupError(
      "apt's sources name no archive of Debian (an address that ends in /debian)",
    );
  }
  return mirror;
}

/** The first archive of Debian itself in what `apt-get --print-uris update` prints. */
export function mirrorOf(uris) {
  return /^'(\S+\/debian)\/+dists\//m.exec(uris)?.[1];
}

/** With an empty status nothing counts as installed, so that the whole closure is downloaded. */
async function privateApt(directory, source) {
  await mkdir(join(directory, "lists/partial"), { recursive: true });
  await mkdir(join(directory, "cache/archives/partial"), { recursive: true });
  await writeFile(join(directory, "status"), "");
  await writeFile(join(directory, "sources.list"), `deb [signed-by=${KEYRING}] ${source}\n`);
  const settings = {
    "Dir::Etc::sourcelist": join(directory, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": "/dev/null",
    "Dir::State": directory,
    "Dir::State::lists": join(directory, "lists"),
    "Dir::State::status": join(directory, "status"),
    "Dir::Cache": join(directory, "cache"),
    "Debug::NoLocking": "true",
    // The user _apt may not enter our directory.
    "APT::Sandbox::User": "root",
    "APT::Install-Recommends": "false",
    // What hooks of this machine's packages do after an update is not for our lists.
    "APT::Update::Post-Invoke-Success": "",
    "APT::Update::Error-Mode": "any",
    "Acquire::Languages": "none",
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
    // A mirror that stands still is good enough: what it signs is checked all the same.
    "Acquire::Check-Valid-Until": "false",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

async function aptGet(args, suite) {
  try {
    await runCommand("apt-get", args, { env: { ...process.env, LC_ALL: "C" } });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = error.output.split("\n").find((line) => /^[EW]: /.test(line));
    throw new SetupError(`apt cannot fetch from Debian's suite ${suite}: ${said ?? error.message}`);
  }
}
