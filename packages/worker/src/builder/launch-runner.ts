import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { UserError, WorkerError } from "../errors.ts";
import { isAnswered, MAX_SOCKET_PATH } from "../identity/state-lock.ts";
import { removePlaces } from "../nix/build-place.ts";
import type { NixInstallation } from "../nix/installation.ts";
import { startDetached } from "../process/start-detached.ts";
import { RUNNER_PROTOCOL, type RunnerConfig } from "../runner/messages.ts";
import { removeDeadGroups } from "../usage/group-tree.ts";
import { RunnerLink } from "./runner-link.ts";

const READY_MS = 60_000;
const GONE_TRIES = 20;
const GONE_PAUSE_MS = 50;

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

type RunnerFiles = Pick<RunnerConfig, "socket" | "errors" | "places">;

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
 * says when it fails, and with what tells where its builds write; of those that are gone nothing is left. One that lives and is not
 * understood ends by itself.
 */
export async function findRunners({
  stateDirectory,
  nix,
}: Pick<RunnerSettings, "stateDirectory" | "nix">): Promise<RunnerLink[]> {
  const directory = await runnersDirectory(stateDirectory);
  const ids = new Set((await readdir(directory)).map((file) => file.replace(/\..*/, "")));
  const found: RunnerLink[] = [];
  const gone: RunnerFiles[] = [];
  for (const id of ids) {
    const files = filesOf(directory, id);
    const link = await RunnerLink.open(files.socket);
    if (link !== null) found.push(link);
    else if (!(await isAnswered(files.socket))) {
      await removeFiles(files);
      gone.push(files);
    }
  }
  // Nobody waits for it: builds that were killed may have left many files.
  if (gone.length > 0) void clearUp(gone, nix);
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

/**
 * Ends what a runner left that is gone, and removes it. Resolves to what it said when it failed, for people; null when it said nothing,
 * or answers after all.
 */
export async function removeRunner(
  { path }: Pick<RunnerLink, "path">,
  nix: NixInstallation,
): Promise<string | null> {
  const files = filesOf(dirname(path), basename(path, ".sock"));
  if (!(await hasGone(files.socket))) return null;
  const said = await lastWords(files.errors);
  await removeFiles(files);
  await clearUp([files], nix);
  return said;
}

/** Whoever was killed may listen for a moment longer than it holds its connections. */
async function hasGone(socket: string): Promise<boolean> {
  for (let tries = 0; tries < GONE_TRIES; tries += 1) {
    await sleep(GONE_PAUSE_MS);
    if (!(await isAnswered(socket))) return true;
  }
  return false;
}

async function removeFiles({ socket, errors }: RunnerFiles): Promise<void> {
  for (const file of [socket, errors]) await rm(file, { force: true });
}

/** Ends the builds of runners that are gone, and removes what these have written. Never rejects. */
async function clearUp(gone: readonly RunnerFiles[], nix: NixInstallation): Promise<void> {
  await removeDeadGroups().catch(() => {});
  for (const { places } of gone) await removePlaces(places, nix.environment);
}

async function lastWords(file: string): Promise<string | null> {
  const lines = (await readFile(file, "utf8").catch(() => "")).trim().split("\n");
  // Of an error that nobody caught, Node tells the stack and its own version last.
  return lines.findLast((line) => /^\w*Error\b/.test(line)) ?? (lines.at(-1) || null);
}

function filesOf(directory: string, id: string): RunnerFiles {
  return {
    socket: join(directory, `${id}.sock`),
    errors: join(directory, `${id}.log`),
    places: join(directory, `${id}.places`),
  };
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
