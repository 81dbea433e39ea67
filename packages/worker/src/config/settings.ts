/**
 * The one table of the worker's settings. Command line, environment, config file, `--help` and validation are all made from it.
 * A flag wins over the environment, which wins over the file. Names of variables follow the original where the meaning is the same.
 */
export interface Setting {
  /** Key in the config file, and of the parsed settings. */
  readonly key: string;
  /** null: no flag, because arguments of a process can be read by every user of the machine. */
  readonly flag: string | null;
  /** What stands for the value in `--help`. */
  readonly value: string;
  readonly env: string;
  readonly doc: string;
  /** How `--help` names the default; null for none. */
  readonly fallback: string | null;
}

/** Where the worker of a machine keeps its state. */
export const DEFAULT_STATE_DIRECTORY = "/var/lib/gradient-worker";

export const SETTINGS = [
  {
    key: "server",
    flag: "--server",
    value: "URL",
    env: "GRADIENT_WORKER_SERVER_URL",
    doc: "coordinator to serve, as ws://, wss://, http:// or https://",
    fallback: null,
  },
  {
    key: "peersFile",
    flag: "--peers-file",
    value: "FILE",
    env: "GRADIENT_WORKER_PEERS_FILE",
    doc: "tokens, one '<organization id>:<token>' a line; '*' answers for every organization; re-read when it changes",
    fallback: null,
  },
  {
    key: "peers",
    flag: null,
    value: "TEXT",
    env: "GRADIENT_WORKER_PEERS",
    doc: "the content of a peers file, when there is no file",
    fallback: null,
  },
  {
    key: "stateDir",
    flag: "--state-dir",
    value: "DIR",
    env: "GRADIENT_WORKER_DATA_DIR",
    doc: "where the worker keeps its id, key, journal and repositories",
    fallback: DEFAULT_STATE_DIRECTORY,
  },
  {
    key: "workerId",
    flag: "--worker-id",
    value: "UUID",
    env: "GRADIENT_WORKER_ID",
    doc: "id to use instead of the one in the state directory; it is not written there",
    fallback: null,
  },
  {
    key: "capabilityFetch",
    flag: "--capability-fetch",
    value: "BOOL",
    env: "GRADIENT_WORKER_CAPABILITY_FETCH",
    doc: "take fetch jobs",
    fallback: "true",
  },
  {
    key: "capabilityEval",
    flag: "--capability-eval",
    value: "BOOL",
    env: "GRADIENT_WORKER_CAPABILITY_EVAL",
    doc: "take evaluation jobs",
    fallback: "true",
  },
  {
    key: "capabilityBuild",
    flag: "--capability-build",
    value: "BOOL",
    env: "GRADIENT_WORKER_CAPABILITY_BUILD",
    doc: "take build and sign jobs",
    fallback: "true",
  },
  {
    key: "maxConcurrentBuilds",
    flag: "--max-concurrent-builds",
    value: "N",
    env: "GRADIENT_MAX_CONCURRENT_BUILDS",
    doc: "builds at the same time",
    fallback: "number of cores",
  },
  {
    key: "systems",
    flag: "--systems",
    value: "LIST",
    env: "GRADIENT_WORKER_ARCHITECTURES",
    doc: "systems to build for, separated by commas",
    fallback: "system and extra-platforms of Nix",
  },
  {
    key: "systemFeatures",
    flag: "--system-features",
    value: "LIST",
    env: "GRADIENT_WORKER_SYSTEM_FEATURES",
    doc: "features that derivations may require, separated by commas",
    fallback: "system-features of Nix",
  },
  {
    key: "store",
    flag: "--store",
    value: "URL",
    env: "GRADIENT_WORKER_STORE",
    doc: "Nix store to work in, as NIX_REMOTE has it",
    fallback: "NIX_REMOTE, or the machine's own",
  },
  {
    key: "localRepositories",
    flag: "--local-repositories",
    value: "LIST",
    env: "GRADIENT_WORKER_LOCAL_REPOSITORIES",
    doc: "directories, separated by commas, below which repositories may be fetched by file:///path",
    fallback: "none",
  },
  {
    key: "gitCredentials",
    flag: "--git-credentials",
    value: "FILE",
    env: "GRADIENT_WORKER_GIT_CREDENTIALS",
    doc: "users and passwords for https fetches, one 'https://user:password@host' a line, as git's credential store has them; every organization's fetches use them",
    fallback: "none",
  },
  {
    key: "evalTimeoutSeconds",
    flag: "--eval-timeout",
    value: "SECONDS",
    env: "GRADIENT_WORKER_EVAL_TIMEOUT",
    doc: "longest time for one evaluation, also when the coordinator allows more",
    fallback: "3600",
  },
  {
    key: "evalForkWorkers",
    flag: "--eval-fork-workers",
    value: "N",
    env: "GRADIENT_EVAL_FORK_WORKERS",
    doc: "processes that share the attributes of an evaluation; fewer when three quarters of the memory hold fewer",
    fallback: "number of cores, at most 16",
  },
  {
    key: "maxEvalRssBytes",
    flag: "--max-eval-rss",
    value: "BYTES",
    env: "GRADIENT_MAX_EVAL_RSS",
    doc: "memory of one process of an evaluation; it is ended there and another goes on; all of one evaluation, with builds that it imports from, may have one such share more than it has processes",
    fallback: "8 GiB, at most a quarter of the memory",
  },
  {
    key: "shutdownGraceSeconds",
    flag: "--shutdown-grace",
    value: "SECONDS",
    env: "GRADIENT_WORKER_SHUTDOWN_GRACE",
    doc: "time that running jobs get to finish after SIGTERM or SIGINT; a second signal ends them at once",
    fallback: "60",
  },
  {
    key: "metricsListen",
    flag: "--metrics-listen",
    value: "ADDR:PORT",
    env: "GRADIENT_WORKER_METRICS_LISTEN",
    doc: "where to serve metrics for Prometheus, at /metrics; they are on the socket in the state directory anyhow",
    fallback: null,
  },
  {
    key: "logLevel",
    flag: "--log-level",
    value: "LEVEL",
    env: "GRADIENT_LOG_LEVEL",
    doc: "trace, debug, info, warn, error, fatal or silent",
    fallback: "info",
  },
] as const satisfies readonly Setting[];

export type SettingKey = (typeof SETTINGS)[number]["key"];

/** Where the config file is named. It is no setting itself: it cannot stand in the file. */
export const CONFIG_FILE = {
  flag: "--config",
  value: "FILE",
  env: "GRADIENT_WORKER_CONFIG",
  doc: "JSON file with settings by their keys",
} as const;
