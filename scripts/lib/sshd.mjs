import { join } from "node:path";
import { cacheDirectory } from "./cache-directory.mjs";
import { SetupError } from "./setup-error.mjs";
import { areInstalled, installPrograms } from "./suite-programs.mjs";

/**
 * The server over which tests fetch by ssh. Debian's package would leave one running at the next start of the machine,
 * so only its programs are taken. libnss_wrapper lets them see accounts that this machine does not have.
 */
const recipe = {
  suite: "trixie",
  packages: ["openssh-server", "libnss-wrapper"],
  programs: ["usr/sbin/sshd", "usr/lib/openssh/sshd-session", "usr/lib/openssh/sshd-auth"],
  versionFlag: "-V",
  libraries: ["libnss_wrapper.so"],
};

function sshdDirectory(env) {
  return join(cacheDirectory(env), "sshd-10.0");
}

/** Where tests find the server: nothing when they have to take the machine's own. */
export function sshdTestEnvironment(env = process.env) {
  const directory = sshdDirectory(env);
  return areInstalled(directory, recipe) ? { GRADIENT_TEST_SSHD: directory } : {};
}

/** Puts it beside the machine's own programs, unless it is there. Resolves to a few words, also when it cannot be had. */
export async function provideSshd() {
  const directory = sshdDirectory(process.env);
  try {
    await installPrograms({ ...recipe, directory });
    return directory;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return `no other than the machine's own: ${error.message}`;
  }
}
