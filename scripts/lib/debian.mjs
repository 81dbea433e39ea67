import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { CommandError, findProgram, runCommand } from "./command.mjs";

/** Asked by the packages' install scripts before they start a service; 101 means: do not (invoke-rc.d(8)). */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";

/** True when the text of /etc/os-release names Debian or a system made from it. */
export function namesDebian(osRelease) {
  const values = /^(?:ID|ID_LIKE)=(.*)$/gm;
  return [...osRelease.matchAll(values)].some(([, value]) => /\bdebian\b/.test(value));
}

/** True when packages can be installed here: Debian or made from it, apt-get, and root. */
export function canInstallPackages() {
  return process.getuid?.() === 0 && findProgram("apt-get") !== undefined && isDebian();
}

function isDebian() {
  const file = "/etc/os-release";
  return existsSync(file) && namesDebian(readFileSync(file, "utf8"));
}

/** Installs Debian packages and starts none of the services that they bring. Asks for new package lists only when the present ones do not do. */
export async function installPackages(packages) {
  const install = ["install", "-y", "--no-install-recommends", ...packages];
  await withoutServices(async () => {
    try {
      await aptGet(install);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      await aptGet(["update"]);
      await aptGet(install);
    }
  });
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return runCommand("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=120", ...args], { env });
}

async function withoutServices(action) {
  if (existsSync(SERVICE_POLICY)) return action();
  await writeFile(SERVICE_POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return await action();
  } finally {
    await rm(SERVICE_POLICY);
  }
}
