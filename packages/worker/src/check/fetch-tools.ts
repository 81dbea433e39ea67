import { reasonOf } from "../error-facts.ts";
import { runProcess } from "../process/run.ts";
import { findProgram } from "./directories.ts";
import type { Findings } from "./finding.ts";

const TIMEOUT_MS = 30_000;

/** What fetch jobs start. */
export async function checkFetchTools(
  findings: Findings,
  options: { environment: Readonly<Record<string, string | undefined>>; isFetching: boolean },
): Promise<void> {
  if (!options.isFetching) {
    findings.ok("git", "not needed: this worker takes no fetch jobs");
    return;
  }
  const git = await versionOf("git", "--version", options.environment["PATH"]);
  const installGit =
    "install git (Debian: apt-get install git), or take no fetch jobs (--capability-fetch false)";
  if (git.works) findings.ok("git", git.said);
  else findings.failure("git", git.said, git.isThere ? "put right what it says" : installGit);
  const ssh = await versionOf("ssh", "-V", options.environment["PATH"]);
  const installSsh = "install the client of OpenSSH (Debian: apt-get install openssh-client)";
  const without = `${ssh.said}: repositories over ssh cannot be fetched`;
  if (ssh.works) findings.ok("ssh", ssh.said);
  else findings.warning("ssh", without, ssh.isThere ? "put right what it says" : installSsh);
}

interface Program {
  readonly isThere: boolean;
  readonly works: boolean;
  /** Its version, or what is wrong with it. */
  readonly said: string;
}

async function versionOf(command: string, flag: string, searchPath = ""): Promise<Program> {
  if ((await findProgram(command, searchPath)) === null) {
    return { isThere: false, works: false, said: `${command} is not on PATH` };
  }
  try {
    const { stdout, stderr } = await runProcess({
      command,
      args: [flag],
      env: { PATH: searchPath },
      timeoutMs: TIMEOUT_MS,
    });
    // ssh tells its version on standard error.
    const [line = ""] = (stdout.toString() || stderr).trim().split("\n");
    return { isThere: true, works: true, said: line };
  } catch (error) {
    return { isThere: true, works: false, said: reasonOf(error) };
  }
}
