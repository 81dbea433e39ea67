import { withoutPassword } from "@gradient/protocol";
import { NO_ROOM } from "../../error-facts.ts";
import { WorkerError } from "../../errors.ts";
import { describeExit, ProcessError } from "../../process/process-error.ts";
import { NO_SSH_ADVICE } from "./ssh.ts";

interface Fault {
  readonly code: string;
  readonly pattern: RegExp;
  /** Worth another try: the network, the server or a full disk may be better later or elsewhere. */
  readonly isTransient: boolean;
  /** What to do about it; null where git's words say it. */
  readonly advice: string | null;
}

export const NO_ANSWER = "does the server answer, and fast enough?";

/** Git and ssh tell what went wrong only by text. The first that fits counts; what is none of these is worth another try. */
const FAULTS: readonly Fault[] = [
  {
    code: "disk-full",
    pattern: NO_ROOM,
    isTransient: true,
    advice: "make room in the worker's state directory",
  },
  {
    code: "no-shallow",
    pattern: /dumb http transport does not support shallow|does not support shallow/i,
    isTransient: false,
    advice: null,
  },
  {
    code: "unknown-host",
    pattern: /could not resolve (host|hostname|proxy)|unable to look up|name or service not known/i,
    isTransient: true,
    advice: "is the name right, and does the worker's DNS know it?",
  },
  {
    code: "host-key-unknown",
    pattern: /host key verification failed|host key is known for .* strict checking/i,
    isTransient: false,
    advice: "the worker does not know the host's key and was not told to believe it",
  },
  {
    code: "no-ssh",
    pattern: /cannot run ssh\b|\bssh: (command )?not found/i,
    isTransient: true,
    advice: NO_SSH_ADVICE,
  },
  {
    code: "no-such-repository",
    pattern:
      /access denied or repository not exported|repository .*not found|not found$|does not exist|no such file or directory$/im,
    isTransient: false,
    advice: "is the address right, and may this key or user read it?",
  },
  {
    code: "git-authentication",
    pattern: /permission denied \(|too many authentication failures/i,
    isTransient: false,
    advice:
      "the organization's public key (GET /api/v1/orgs/ORG/ssh) has to be allowed to read the repository",
  },
  {
    code: "git-authentication",
    pattern:
      /authentication failed|permission denied|could not read (username|password)|terminal prompts disabled|access denied|returned error: 40[13]\b|\b40[13]\b/i,
    isTransient: false,
    advice:
      "the worker's file of git credentials (--git-credentials) has to name a user and password for the host that may read the repository",
  },
  {
    code: "no-such-commit",
    pattern: /not our ref|unadvertised object/i,
    isTransient: false,
    advice: "was the branch that held it rewritten or removed?",
  },
  {
    code: "no-such-reference",
    pattern: /couldn't find remote ref|no such remote ref/i,
    isTransient: false,
    advice: "was the branch or tag removed or renamed?",
  },
  {
    code: "repository-ownership",
    pattern: /dubious ownership/i,
    isTransient: false,
    advice: "the repository has to belong to the worker's user",
  },
  {
    code: "not-a-repository",
    pattern:
      /does not appear to be a git repository|not a git repository|is this a git repository/i,
    isTransient: false,
    advice: "is the address right? What it names is no git repository",
  },
  {
    code: "tls",
    pattern: /certificate (problem|verification failed)|issuer certificate/i,
    isTransient: false,
    advice:
      "the worker does not trust the server's certificate: mend it, or name a file with its authority in the worker's SSL_CERT_FILE",
  },
  {
    code: "timeout",
    pattern: /operation too slow|timed out|timeout/i,
    isTransient: true,
    advice: NO_ANSWER,
  },
  {
    code: "unreachable",
    pattern: /connection refused|couldn't connect|network is unreachable|no route to host/i,
    isTransient: true,
    advice: "is the server up, and may the worker reach it?",
  },
];

/** A failed fetch in git's own words, with what to do. `advice` goes before our own, by code. Throws what is no failure of a process. */
export function fetchError(
  repository: string,
  error: unknown,
  advice: Readonly<Record<string, string>> = {},
): WorkerError {
  if (!(error instanceof ProcessError)) throw error;
  if (error.code !== "process_failed") {
    const isLate = error.code === "process_timeout";
    const { isTransient } = error;
    const text = withAdvice(withoutPassword(error.message), isLate ? NO_ANSWER : null);
    return new WorkerError(isLate ? "timeout" : error.code, text, { isTransient, cause: error });
  }
  const fault = FAULTS.find(({ pattern }) => pattern.test(error.stderr));
  const { code, isTransient } = fault ?? { code: "unreachable", isTransient: true };
  const words = ownWords(error.stderr) || `git ended with ${describeExit(error)}`;
  const said = `cannot fetch ${withoutPassword(repository)}: ${withoutPassword(words)}`;
  const text = withAdvice(said, advice[code] ?? fault?.advice ?? null);
  return new WorkerError(code, text, { isTransient, cause: error });
}

function withAdvice(text: string, advice: string | null): string {
  return advice === null ? text : `${text} (${advice})`;
}

/** A tree that cannot be written. Git does not say why a write failed; it is the disk, as its objects have been read. */
export function treeError(error: unknown): unknown {
  if (!(error instanceof ProcessError) || !/unable to write file/i.test(error.stderr)) return error;
  const message = `cannot write the tree: ${ownWords(error.stderr)} (make room in the worker's state directory)`;
  return new WorkerError("disk-full", message, { isTransient: true, cause: error });
}

const PROGRESS =
  /^(hint|remote: (Counting|Compressing|Enumerating|Total)|From |Warning: Permanently)/;
const BOILERPLATE =
  /^(Please make sure you have the correct access rights|and the repository exists\.|@@@|fatal: Could not read from remote repository)/;

/** The lines of an error without progress, hints and the boilerplate after every refusal. */
function ownWords(stderr: string): string {
  const words = stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !PROGRESS.test(line) && !BOILERPLATE.test(line))
    .map((line) => line.replace(/^(fatal|error|remote): /, "").replace(/\.$/, ""));
  return words.slice(-4).join("; ").slice(0, 1000);
}
