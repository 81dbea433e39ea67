import type { UsageMeter } from "../../ports.ts";
import { ProcessError } from "../../process/process-error.ts";
import { runProcess } from "../../process/run.ts";

/** What git and ssh may see of our environment. */
const PASSED_VARIABLES =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|TZ|SSL_CERT_FILE|SSL_CERT_DIR|GIT_SSL_CAINFO|(http|https|all|no)_proxy)$/;

/** Nothing in a repository's configuration or hooks may start a program, and nothing is asked at a terminal. */
const CONFIG = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "credential.helper=",
  "gc.autoDetach=false",
  // A pack comes whole or not at all, and is kept as it was sent.
  "fetch.unpackLimit=1",
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
  /** Settings beside the common ones, `key=value` each. */
  readonly config?: readonly string[];
  /** Beside the one of the whole fetch. */
  readonly signal?: AbortSignal;
  /** Is told git's pid. */
  readonly onStart?: (pid: number) => void;
}

/** The git command line in one bare repository. */
export class Git {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #meter: Pick<UsageMeter, "enter">;
  readonly #signal: AbortSignal;

  constructor(options: {
    directory: string;
    environment: Readonly<Record<string, string | undefined>>;
    meter: Pick<UsageMeter, "enter">;
    signal: AbortSignal;
  }) {
    this.directory = options.directory;
    this.#environment = gitEnvironment(options.environment);
    this.#meter = options.meter;
    this.#signal = options.signal;
  }

  /** What git printed. It is measured. Throws a ProcessError with git's own words in `stderr`. */
  async run(call: GitCall): Promise<string> {
    return this.#start(call, this.#meter.enter);
  }

  /**
   * As `run`, for what git only has to look up in the repository. It is not measured: it takes the kernel longer to move a process between
   * groups than git to answer.
   */
  async ask(call: GitCall): Promise<string> {
    return this.#start(call, []);
  }

  /** Whether git ends well; for questions that it answers by its exit code. */
  async succeeds(call: GitCall): Promise<boolean> {
    try {
      await this.ask(call);
      return true;
    } catch (error) {
      if (error instanceof ProcessError && error.code === "process_failed") return false;
      throw error;
    }
  }

  async #start(call: GitCall, enter: readonly string[]): Promise<string> {
    const settings = [...CONFIG, ...(call.config ?? [])];
    const options = settings.flatMap((setting) => ["-c", setting]);
    const [command = "git", ...args] = [
      ...enter,
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
      signal: call.signal ? AbortSignal.any([this.#signal, call.signal]) : this.#signal,
      ...(call.onStart ? { onStart: call.onStart } : {}),
    });
    return stdout.toString("utf8");
  }
}

function gitEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const passed = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && PASSED_VARIABLES.test(entry[0]),
  );
  const { SSL_CERT_FILE: authorities } = environment;
  return {
    // As Nix and OpenSSL have it; where git is linked with GnuTLS it knows only its own name for it.
    ...(authorities === undefined ? {} : { GIT_SSL_CAINFO: authorities }),
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
