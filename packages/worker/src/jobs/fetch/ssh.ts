import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { GitCredentials } from "@gradient/protocol";

/**
 * Writes the credentials into a private directory (the caller removes it) and gives the environment that makes git use exactly them:
 * no agent, no other key, and only hosts that are known.
 */
export async function sshEnvironment(
  credentials: GitCredentials | null,
  directory: string,
): Promise<Record<string, string>> {
  if (credentials === null) return {};
  const options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20"];
  const words = ["ssh", "-F", "/dev/null"];
  if (credentials.sshPrivateKey !== null) {
    const file = join(directory, "ssh-key");
    await writeFile(file, withFinalNewline(credentials.sshPrivateKey), { mode: 0o600 });
    options.push("IdentitiesOnly=yes", "IdentityAgent=none", `IdentityFile="${file}"`);
  }
  if (credentials.knownHosts !== null) {
    const file = join(directory, "known-hosts");
    await writeFile(file, withFinalNewline(credentials.knownHosts), { mode: 0o600 });
    options.push("GlobalKnownHostsFile=/dev/null", `UserKnownHostsFile="${file}"`);
  }
  for (const option of options) words.push("-o", quoted(option));
  return { GIT_SSH_COMMAND: words.join(" ") };
}

/** OpenSSH refuses a key whose last line does not end. */
function withFinalNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** One word for the shell that git starts for GIT_SSH_COMMAND. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
