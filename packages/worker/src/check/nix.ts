import { userInfo } from "node:os";
import type { CheckConfig } from "../config/load.ts";
import { reasonOf } from "../error-facts.ts";
import { DaemonConnection } from "../nix/daemon/connection.ts";
import { type NixInstallation, findNix, nixEnvironment } from "../nix/installation.ts";
import { type NixConfig, readNixConfig } from "../nix/nix-config.ts";
import { ProcessError } from "../process/process-error.ts";
import { runProcess } from "../process/run.ts";
import { canEnterOrRun, canWrite, findProgram, nearestDirectory } from "./directories.ts";
import type { Findings } from "./finding.ts";

const TIMEOUT_MS = 30_000;
/** The first with protocol 1.34, which builds with results. */
const OLDEST = { major: 2, minor: 8 } as const;
const PROGRAMS = ["nix", "nix-store", "nix-instantiate", "nix-daemon"];

/** The Nix that a worker would use here. */
export interface FoundNix {
  readonly nix: NixInstallation;
  readonly config: NixConfig | null;
}

/** Looks for Nix and its store. null when there is none that a worker can use; the findings say why. */
export async function checkNix(
  findings: Findings,
  options: {
    store: CheckConfig["store"];
    environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<FoundNix | null> {
  const settings = {
    store: options.store ?? options.environment["NIX_REMOTE"] ?? "",
    environment: options.environment,
  };
  const environment = nixEnvironment(settings);
  if (!(await checkProgram(findings, environment))) return null;
  try {
    const nix = findNix(settings);
    const config = await readNixConfig(nix.environment);
    if (!(await checkStore(findings, { nix, config }))) return null;
    await checkEvaluation(findings, nix);
    return { nix, config };
  } catch (error) {
    const words = wordsOf(error);
    findings.failure("store", words, await storeAdvice(settings.store, words));
    return null;
  }
}

async function checkProgram(
  findings: Findings,
  env: Readonly<Record<string, string>>,
): Promise<boolean> {
  const install =
    "install Nix 2.8 or newer so that its programs are on PATH (Debian: apt-get install nix-bin; elsewhere: nixos.org/download)";
  const places = await Promise.all(PROGRAMS.map((name) => findProgram(name, env["PATH"] ?? "")));
  if (places[0] === null) {
    findings.failure("version", "nix is not on PATH", install);
    return false;
  }
  let said: string;
  try {
    const { stdout } = await runProcess({
      command: "nix",
      args: ["--version"],
      env,
      timeoutMs: TIMEOUT_MS,
    });
    said = stdout.toString().trim();
  } catch (error) {
    findings.failure(
      "version",
      `${places[0]}/nix does not run: ${wordsOf(error)}`,
      "put that right",
    );
    return false;
  }
  const absent = PROGRAMS.filter((_name, index) => places[index] === null);
  if (absent.length > 0) {
    findings.failure("version", `${said}, without ${absent.join(", ")}`, install);
    return false;
  }
  const [, major = "0", minor = "0"] = / (\d+)\.(\d+)\S*$/.exec(said) ?? [];
  if (Number(major) < OLDEST.major || (Number(major) === 2 && Number(minor) < OLDEST.minor)) {
    findings.failure("version", `${said} in ${places[0]} is too old`, install);
    return false;
  }
  findings.ok("version", `${said} in ${places[0]}`);
  return true;
}

/** Opens a connection to the store, as builds do. */
async function checkStore(findings: Findings, { nix, config }: FoundNix): Promise<boolean> {
  const { daemonSocket, physicalStoreDirectory } = nix;
  const connection = await DaemonConnection.open(nix);
  const { isTrusted, version } = connection;
  await connection[Symbol.asyncDispose]();
  if (daemonSocket === null) {
    if (!(await canWrite(await nearestDirectory(physicalStoreDirectory)))) {
      findings.failure(
        "store",
        `${physicalStoreDirectory} cannot be written`,
        await storeAdvice("", ""),
      );
      return false;
    }
    const isOwn = physicalStoreDirectory !== "/nix/store";
    const kind = isOwn ? "a store of its own" : "the machine's store";
    findings.ok("store", `${kind}, written directly: ${physicalStoreDirectory}`);
    return true;
  }
  const found = `behind the daemon (Nix ${version}) at ${daemonSocket}`;
  checkTrust(findings, { trustedUsers: config?.list("trusted-users") ?? [], isTrusted, found });
  return true;
}

/** Daemons before Nix 2.9 do not tell: then what the machine's nix.conf says counts, which is as a rule theirs. */
function checkTrust(
  findings: Findings,
  store: { found: string; isTrusted: boolean | null; trustedUsers: readonly string[] },
): void {
  const { found, isTrusted, trustedUsers } = store;
  const user = userName();
  const change = `add the line 'extra-trusted-users = ${user}' to the daemon's nix.conf and restart the daemon`;
  if (isTrusted === true) findings.ok("store", `${found}, which trusts this user`);
  else if (isTrusted === false) {
    const consequence = "inputs from the coordinator's caches cannot be imported";
    findings.failure("store", `${found}, which does not trust this user: ${consequence}`, change);
  } else if (trustedUsers.includes(user) || trustedUsers.includes("*")) {
    findings.ok("store", `${found}; this user is one of its trusted-users`);
  } else {
    const doubt = "which seems not to trust this user: then nothing can be imported";
    findings.warning("store", `${found}, ${doubt}`, change);
  }
}

/** Throws nothing: in containers users without an account are common. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "unknown");
  }
}

/** Evaluation and flakes are commands of their own, with the features that the worker itself switches on. */
async function checkEvaluation(findings: Findings, nix: NixInstallation): Promise<void> {
  try {
    const { stdout } = await runProcess({
      command: "nix-instantiate",
      args: [
        "--extra-experimental-features",
        "nix-command flakes",
        "--eval",
        "--expr",
        "builtins ? getFlake",
      ],
      env: nix.environment,
      timeoutMs: TIMEOUT_MS,
    });
    if (stdout.toString().trim() === "true") findings.ok("evaluation", "works, with flakes");
    else {
      findings.warning(
        "evaluation",
        "works, but this Nix knows no flakes",
        "install a Nix with flakes",
      );
    }
  } catch (error) {
    findings.failure("evaluation", wordsOf(error), "put right what Nix says here");
  }
}

/** What to do when the store cannot be used, from what lies there. */
async function storeAdvice(store: string, words: string): Promise<string> {
  if (/user name|home directory/i.test(words))
    return "run the worker as a user that has an account";
  const own = "give this worker a store of its own (--store 'local?root=DIRECTORY')";
  if (store !== "" && store !== "auto" && store !== "daemon") {
    return "see that the directory in --store can be written, and that Nix accepts it";
  }
  const isHidden = !(await canEnterOrRun("/nix/var/nix/daemon-socket"));
  const socket = isHidden
    ? "let this user reach the daemon (Debian: add it to the group nix-users)"
    : "start nix-daemon";
  return `run as root, or ${socket}, or ${own}`;
}

/** The end of what Nix said on standard error, or the error's own message. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof ProcessError) || error.stderr.trim() === "") return reasonOf(error);
  const lines = error.stderr.trim().split("\n");
  return (lines.findLast((line) => line.startsWith("error:")) ?? lines.at(-1) ?? "").trim();
}
