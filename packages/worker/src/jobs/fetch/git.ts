import { WorkerError } from "../../errors.ts";
import type { UsageMeter } from "../../ports.ts";
import { ProcessError } from "../../process/process-error.ts";
import { runProcess } from "../../process/run.ts";
import { withoutPassword } from "./address.ts";

/** What git and ssh may see of our environment. */
const PASSED_VARIABLES =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|TZ|SSL_CERT_FILE|SSL_CERT_DIR|GIT_SSL_CAINFO|(http|https|all|no)_proxy)$/;

/** Nothing in a repository's configuration or hooks may start a program, and nothing is asked at a terminal. */
const CONFIG = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "credential.helper=",
  "gc.autoDetach=false",
  "http.lowSpeedLimit=1000",
  "http.lowSpeedTime=60",
];

export interface GitCall {
  readonly args: readonly string[];
  /** `git fetch of https://...`, for messages. */
  readonly title: string;
  readonly timeoutMs: number;
  /** Beside the common environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The git command line in one bare repository. */
export class Git {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #meter: UsageMeter;
  readonly #signal: AbortSignal;

  constructor(options: {
    directory: string;
    environment: Readonly<Record<string, string | undefined>>;
    meter: UsageMeter;
    signal: AbortSignal;
  }) {
    this.directory = options.directory;
    this.#environment = gitEnvironment(options.environment);
    this.#meter = options.meter;
    this.#signal = options.signal;
  }

  /** What git printed. Throws a ProcessError with git's own words in `stderr`. */
  async run(call: GitCall): Promise<string> {
    const options = CONFIG.flatMap((setting) => ["-c", setting]);
    const [command = "git", ...args] = [
      ...this.#meter.enter,
      "git",
      `--git-dir=${this.directory}`,
      ...options,
      ...call.args,
    ];
    const { stdout } = await runProcess({
      command,
      args,
      env: { ...this.#environment, ...call.env },
      title: call.title,
      timeoutMs: call.timeoutMs,
      signal: this.#signal,
    });
    return stdout.toString("utf8");
  }

  /** Whether git ends well; for questions that it answers by its exit code. */
  async succeeds(call: GitCall): Promise<boolean> {
    try {
      await this.run(call);
      return true;
    } catch (error) {
      if (error instanceof ProcessError && error.code === "process_failed") return false;
      throw error;
    }
  }
}

function gitEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && PASSED_VARIABLES.test(entry[0]),
  );
  return {
    ...Object.fromEntries(passed),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "true",
    SSH_ASKPASS: "true",
    GIT_CONFIG_NOSYSTEM: "1",
    // Also after redirects and for submodules: no files, no remote helpers.
    GIT_ALLOW_PROTOCOL: "git:http:https:ssh",
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=20",
  };
}

/** Git tells what went wrong only by text. What is none of these may go away by itself: the network, the server. */
const FINAL_FAULTS = [
  { code: "no-such-commit", pattern: /not our ref|couldn't find remote ref|no such remote ref/i },
  {
    code: "git-authentication",
    pattern:
      /authentication failed|permission denied|could not read (username|password)|host key verification failed|terminal prompts disabled|access denied|\b40[13]\b/i,
  },
  {
    code: "no-such-repository",
    pattern:
      /repository .*not found|not found$|does not appear to be a git repository|does not exist/im,
  },
] as const;

/** A failed fetch in git's own words. */
export function fetchError(repository: string, error: unknown): WorkerError {
  if (!(error instanceof ProcessError)) {
    throw error;
  }
  const shown = withoutPassword(repository);
  if (error.code !== "process_failed") {
    const { isTransient } = error;
    return new WorkerError(error.code, withoutPassword(error.message), {
      isTransient,
      cause: error,
    });
  }
  const said = withoutPassword(ownWords(error.stderr));
  const fault = FINAL_FAULTS.find(({ pattern }) => pattern.test(error.stderr));
  return new WorkerError(fault?.code ?? "unreachable", `cannot fetch ${shown}: ${said}`, {
    isTransient: fault === undefined,
    cause: error,
  });
}

/** The lines of an error without progress, hints and the boilerplate after every refusal. */
function ownWords(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter(
      (line) =>
        line !== "" && !/^(hint|remote: (Counting|Compressing|Enumerating|Total)|From )/.test(line),
    );
  const words = lines
    .filter(
      (line) =>
        !/^(Please make sure you have the correct access rights|and the repository exists\.)/.test(
          line,
        ),
    )
    .map((line) => line.replace(/^(fatal|error|remote): /, ""));
  return words.slice(-4).join("; ").slice(0, 1000) || "git said nothing";
}
