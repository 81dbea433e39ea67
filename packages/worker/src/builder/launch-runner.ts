import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError, WorkerError } from "../errors.ts";
import { isAnswered, MAX_SOCKET_PATH } from "../identity/state-lock.ts";
import type { NixInstallation } from "../nix/installation.ts";
import { startDetached } from "../process/start-detached.ts";
import { RUNNER_PROTOCOL, type RunnerConfig } from "../runner/messages.ts";
import { RunnerLink } from "./runner-link.ts";

const READY_MS = 60_000;

/** The program; it runs from what the compiler made, also when this is TypeScript. */
const PROGRAM = fileURLToPath(new URL("../../bin/gradient-worker-runner.js", import.meta.url));

/** What runners of this daemon are like. */
export interface RunnerSettings {
  readonly slots: number;
  readonly nix: NixInstallation;
  readonly nixVersion: string;
  readonly stateDirectory: string;
  readonly release: string;
}

/** Two runners with the same fingerprint would build the same way. */
export function fingerprintOf(settings: RunnerSettings): string {
  const { environment, physicalStoreDirectory, daemonSocket } = settings.nix;
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const facts = [
    RUNNER_PROTOCOL,
    PROGRAM,
    process.execPath,
    settings.release,
    settings.slots,
    [settings.nixVersion, physicalStoreDirectory, daemonSocket, lines.toSorted()],
  ];
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 32);
}

/**
 * Calls the runners that are there. Their sockets lie in a private directory, each with a file beside it for what the runner
 * says when it fails; of those that are gone nothing is left. One that lives and is not understood ends by itself.
 */
export async function findRunners(stateDirectory: string): Promise<RunnerLink[]> {
  const directory = await runnersDirectory(stateDirectory);
  const ids = new Set((await readdir(directory)).map((file) => file.replace(/\..*/, "")));
  const found: RunnerLink[] = [];
  for (const id of ids) {
    const files = filesOf(directory, id);
    const link = await RunnerLink.open(files.socket);
    if (link !== null) found.push(link);
    else if (!(await isAnswered(files.socket))) {
      for (const file of Object.values(files)) await rm(file, { force: true });
    }
  }
  return found;
}

/** Starts a runner and calls it. Rejects with a WorkerError when it does not start. */
export async function launchRunner(settings: RunnerSettings): Promise<RunnerLink> {
  const { slots, nix, stateDirectory } = settings;
  const directory = await runnersDirectory(stateDirectory);
  const files = filesOf(directory, randomBytes(4).toString("hex"));
  const fingerprint = fingerprintOf(settings);
  const config: RunnerConfig = { ...files, fingerprint, slots, nix };
  await startDetached({
    command: process.execPath,
    // The socket is there for people who look at the processes.
    args: [PROGRAM, files.socket],
    env: nix.environment,
    input: JSON.stringify(config),
    errorFile: files.errors,
    readyMs: READY_MS,
  });
  const link = await RunnerLink.open(files.socket);
  if (link !== null) return link;
  const said = await lastWords(files.errors);
  const message = `the process that runs the builds is gone${said === null ? "" : `: ${said}`}`;
  throw new WorkerError("runner-lost", message, { isTransient: true });
}

/** Removes what a runner left that is gone. Resolves to what it said when it failed, for people. */
export async function removeRunner({ path }: Pick<RunnerLink, "path">): Promise<string | null> {
  const files = filesOf(dirname(path), basename(path, ".sock"));
  const said = await lastWords(files.errors);
  for (const file of Object.values(files)) await rm(file, { force: true });
  return said;
}

async function lastWords(file: string): Promise<string | null> {
  const lines = (await readFile(file, "utf8").catch(() => "")).trim().split("\n");
  // Of an error that nobody caught, Node tells the stack and its own version last.
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? (lines.at(-1) || null);
}

function filesOf(directory: string, id: string): { socket: string; errors: string } {
  return { socket: join(directory, `${id}.sock`), errors: join(directory, `${id}.log`) };
}

async function runnersDirectory(stateDirectory: string): Promise<string> {
  const directory = join(stateDirectory, "runners");
  if (Buffer.byteLength(filesOf(directory, "00000000").socket) > MAX_SOCKET_PATH) {
    const most = MAX_SOCKET_PATH - "/runners/00000000.sock".length;
    throw new UserError(
      "state-dir",
      `the state directory's path is too long: ${stateDirectory} may have ${most} bytes`,
    );
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}
