import { findProgram } from "./command.mjs";
import { canInstallPackages, installPackages } from "./debian.mjs";
import { nixPrograms } from "./nix.mjs";
import { SetupError } from "./setup-error.mjs";
import { findStaticBusybox } from "./static-busybox.mjs";

/** What the project's commands need of the machine: how to see it, what to call it, and the Debian packages that bring it. */
export const requirements = {
  nix: {
    isMet: () => nixPrograms.every(hasProgram),
    description: `Nix 2.8 or newer (${nixPrograms.join(", ")})`,
    packages: ["nix-bin"],
  },
  git: {
    isMet: () => hasProgram("git"),
    description: "git 2.28 or newer",
    packages: ["git"],
  },
  busybox: {
    isMet: () => findStaticBusybox() !== undefined,
    description: "a statically linked busybox, which builds the sample",
    packages: ["busybox-static"],
  },
  compiler: {
    isMet: () => ["g++", "make", "python3"].every(hasProgram),
    description: "a C++ compiler, make and Python 3, which compile two native modules once",
    packages: ["g++", "make", "python3"],
  },
  nginx: {
    isMet: () => hasProgram("nginx"),
    description:
      "nginx, which stands before the coordinator in tests and beside it in the benchmark",
    packages: ["nginx-light"],
  },
  caddy: {
    isMet: () => hasProgram("caddy"),
    description: "Caddy, which stands before the coordinator in tests, as nginx does",
    packages: ["caddy"],
  },
  systemd: {
    isMet: () => hasProgram("systemd-analyze"),
    description: "systemd-analyze, which reads the units in tests",
    packages: ["systemd"],
  },
  shellTools: {
    isMet: () => ["curl", "jq"].every(hasProgram),
    description: "curl and jq, which machines that are deployed to have",
    packages: ["curl", "jq"],
  },
  ssh: {
    isMet: () => ["ssh", "ssh-keygen"].every(hasProgram),
    description: "OpenSSH's ssh and ssh-keygen, with which git fetches by ssh",
    packages: ["openssh-client"],
  },
  openssl: {
    isMet: () => hasProgram("openssl"),
    description: "openssl, which makes certificates for servers of tests",
    packages: ["openssl"],
  },
  chromium: {
    isMet: () => ["chromium", "chromium-browser"].some(hasProgram),
    description: "Chromium, in which the pages are tested",
    packages: ["chromium"],
  },
  wrk: {
    isMet: () => hasProgram("wrk"),
    description: "wrk, which loads both servers",
    packages: ["wrk"],
  },
};

function hasProgram(name) {
  return findProgram(name) !== undefined;
}

/**
 * Sees that the machine has what is named, and installs what it lacks where that is possible: on Debian, as root.
 * Elsewhere a SetupError says what to install.
 */
export async function meetRequirements(names) {
  const missing = unmet(names);
  if (missing.length === 0) return `${names.join(", ")} present`;
  if (!canInstallPackages()) throw new SetupError(explain(missing));
  const packages = missing.flatMap((requirement) => requirement.packages);
  await installPackages(packages);
  const stillMissing = unmet(names);
  if (stillMissing.length > 0) throw new SetupError(explain(stillMissing));
  return `installed ${packages.join(", ")}`;
}

function unmet(names) {
  return names.map((name) => requirements[name]).filter((requirement) => !requirement.isMet());
}

/** What to install, in words and as a command. */
export function explain(missing) {
  const packages = missing.flatMap((requirement) => requirement.packages);
  return [
    "This machine lacks:",
    ...missing.map((requirement) => `  - ${requirement.description}`),
    "On Debian, run this as root, or run this command again as root and it is done for you:",
    `  apt-get install -y --no-install-recommends ${packages.join(" ")}`,
    "Elsewhere, install the same programs so that they are on PATH.",
  ].join("\n");
}
