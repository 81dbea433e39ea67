import { accessSync, constants, existsSync } from "node:fs";
import path from "node:path";
import { ProcessError } from "../process/process-error.ts";
import { runProcess } from "../process/run.ts";
import { NixError } from "./nix-error.ts";

const PROGRAM = "nix-store";
const VERSION_TIMEOUT_MS = 30_000;

/** What the programs of Nix may see of our environment: nothing that could hold one of our secrets. */
const PASSED_VARIABLES =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|LANG|LC_[A-Z]+|TZ|XDG_[A-Z_]+|NIX_[A-Z_]+|SSL_CERT_FILE|CURL_CA_BUNDLE|(http|https|ftp|all|no)_proxy)$/;

export interface NixSettings {
  /** Value of NIX_REMOTE: empty for the machine's store, `local?root=DIR`, or `daemon`. */
  store: string;
  /** The worker's environment; only what Nix needs of it is passed on. */
  environment: Readonly<Record<string, string | undefined>>;
}

/** An installed Nix and the store it is used with. */
export interface NixInstallation {
  /** Environment of every program of Nix. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the bytes of `/nix/store` lie. */
  readonly physicalStoreDirectory: string;
  /** `gcroots` of the store. */
  readonly rootsDirectory: string;
  /**
   * Socket of the system's daemon, which then does everything, builds too, out of our sight. null when our own child
   * works on the store itself.
   */
  readonly daemonSocket: string | null;
}

/** Finds out what Nix there is. Throws a ProcessError when it is not installed. */
export function findNix(settings: NixSettings): NixInstallation {
  const environment = nixEnvironment(settings);
  if (findProgram(environment) === null) {
    const message = `${PROGRAM} could not be started: it is not on PATH. Is Nix installed?`;
    throw new ProcessError("process_not_started", message, { command: PROGRAM });
  }
  return { environment, ...locateStore(settings) };
}

/** For instance `2.8.0`. It takes Nix some ten milliseconds, and may be another after an upgrade; see `NixVersion`. */
export async function askVersion({ environment }: NixInstallation): Promise<string> {
  const { stdout } = await runProcess({
    command: PROGRAM,
    args: ["--version"],
    env: environment,
    timeoutMs: VERSION_TIMEOUT_MS,
  });
  const version = /(\d+\.\d+[\w.+-]*)\s*$/.exec(stdout.toString())?.[1];
  if (version === undefined) {
    throw new NixError(`${PROGRAM} --version does not tell a version: is it the program of Nix?`);
  }
  return version;
}

/** Adds lines to the settings that the programs get beside nix.conf. */
export function withNixConfig(
  environment: Readonly<Record<string, string>>,
  lines: readonly string[],
): Record<string, string> {
  const config = [environment["NIX_CONFIG"] ?? "", ...lines].filter((line) => line !== "");
  return { ...environment, NIX_CONFIG: config.join("\n") };
}

/** Environment of every program of Nix. */
export function nixEnvironment(settings: NixSettings): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings.environment)) {
    if (value !== undefined && PASSED_VARIABLES.test(name)) environment[name] = value;
  }
  if (settings.store === "") delete environment["NIX_REMOTE"];
  else environment["NIX_REMOTE"] = settings.store;
  return environment;
}

function locateStore(
  settings: NixSettings,
): Pick<NixInstallation, "physicalStoreDirectory" | "rootsDirectory" | "daemonSocket"> {
  const parameters = localParameters(settings.store);
  const root = parameters?.get("root") ?? "";
  const state =
    parameters?.get("state") ??
    (root === "" ? settings.environment["NIX_STATE_DIR"] : undefined) ??
    path.join("/", root, "nix/var/nix");
  return {
    physicalStoreDirectory: parameters?.get("real") ?? path.join("/", root, "nix/store"),
    rootsDirectory: path.join(state, "gcroots"),
    daemonSocket: findSocket(settings, state),
  };
}

/** Parameters of a store that is a directory, or null when it is behind a daemon. */
function localParameters(store: string): URLSearchParams | null {
  if (store === "" || store === "auto" || store === "local") return new URLSearchParams();
  if (store.startsWith("/")) return new URLSearchParams({ root: store });
  const match = /^(?:local|auto)\?(.*)$/.exec(store);
  return match === null ? null : new URLSearchParams(match[1]);
}

/** Follows Nix's own rule for no setting at all: the directory when its state can be written, else the daemon if there is one. */
function findSocket({ store, environment }: NixSettings, state: string): string | null {
  const usual = environment["NIX_DAEMON_SOCKET_PATH"] ?? path.join(state, "daemon-socket/socket");
  if (store === "daemon") return usual;
  if (store.startsWith("unix://")) return store.slice("unix://".length);
  if (localParameters(store) === null) {
    throw new NixError(
      `the store '${store}' can not be built in: use none, 'local?root=DIRECTORY', 'daemon' or 'unix://SOCKET'`,
    );
  }
  if (store !== "" && store !== "auto") return null;
  return !isAllowed(state, constants.R_OK | constants.W_OK) && existsSync(usual) ? usual : null;
}

/** The file of the program that is found with this environment; null when there is none. */
export function findProgram(environment: Readonly<Record<string, string>>): string | null {
  const files = (environment["PATH"] ?? "")
    .split(path.delimiter)
    .map((directory) => path.join(directory, PROGRAM));
  return files.find((file) => isAllowed(file, constants.X_OK)) ?? null;
}

function isAllowed(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}
