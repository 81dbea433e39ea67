import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import {
  type Readable,
  type Writable,
  getDefaultHighWaterMark,
  setDefaultHighWaterMark,
} from "node:stream";
import { ProcessError } from "./process-error.ts";
import { TailBuffer } from "./tail-buffer.ts";

const STDERR_TAIL_BYTES = 64 * 1024;
/** How long the streams of a process that has ended may be held open by somebody else. */
const STREAM_GRACE_MS = 500;

export interface ProcessExit {
  exitCode: number | null;
  signal: string | null;
}

export interface ProcessRequest {
  /** Looked up in `env.PATH` when it has no slash. Never a shell line. */
  command: string;
  args: readonly string[];
  /** The whole environment; nothing is inherited. */
  env: Readonly<Record<string, string>>;
  cwd?: string;
  /** Whoever reads its streams gets what has come when they ask; nothing is read ahead, which would wake us for each piece. */
  isReadOnDemand?: boolean;
}

/** A child with three pipes, in a process group of its own. */
export interface RunningProcess {
  readonly command: string;
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once the process is gone and its streams are closed; never rejects. */
  readonly exit: Promise<ProcessExit>;
  readonly hasExited: boolean;
  /** Sends a signal to the whole group; does nothing once it is gone. */
  signal(name: "SIGTERM" | "SIGINT" | "SIGKILL"): void;
  /** SIGTERM to the group, SIGKILL after `graceMs`; resolves like `exit`. */
  end(graceMs: number): Promise<ProcessExit>;
}

/**
 * Starts a program directly, without a shell. It leads a process group of its own: a kill reaches what it started, and a
 * grandchild that holds a pipe open can not keep us waiting. Rejects with a ProcessError when it can not be started.
 */
export async function startProcess(request: ProcessRequest): Promise<RunningProcess> {
  const directory = workingDirectory(request);
  const { child, pid } = await launch(request, directory).catch(async (cause: unknown) => {
    throw notStarted(request, cause, await reasonNotEntered(directory));
  });
  const { stdin, stdout, stderr } = child;
  // A program that ends before it has read everything is told by its exit, not by our write; a reader notices by itself.
  for (const stream of [stdin, stdout, stderr]) stream.on("error", () => {});
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  let hasExited = false;
  const exit = exited.then(async (result) => {
    hasExited = true;
    await closed([stdout, stderr], STREAM_GRACE_MS);
    return result;
  });
  const signal = (name: NodeJS.Signals): void => signalGroup(pid, name);
  return {
    command: request.command,
    pid,
    stdin,
    stdout,
    stderr,
    exit,
    get hasExited() {
      return hasExited;
    },
    signal,
    async end(graceMs) {
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), graceMs);
      try {
        return await exit;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The streams of a child cannot be told otherwise how much they may hold. */
function withoutReadingAhead<T>(start: () => T): T {
  const usual = getDefaultHighWaterMark(false);
  setDefaultHighWaterMark(false, 0);
  try {
    return start();
  } finally {
    setDefaultHighWaterMark(false, usual);
  }
}

/** Collects the end of a stream for error messages, and keeps it flowing. */
export function collectTail(stream: Readable): TailBuffer {
  const tail = new TailBuffer(STDERR_TAIL_BYTES);
  stream.on("data", (chunk: Uint8Array) => tail.push(chunk));
  stream.on("error", () => {});
  return tail;
}

/** Rejects with what the system says of it when it does not start. */
async function launch(
  { command, args, env, isReadOnDemand = false }: ProcessRequest,
  cwd: string,
): Promise<{ child: ChildProcessWithoutNullStreams; pid: number }> {
  const start = (): ChildProcessWithoutNullStreams =>
    spawn(command, args, { env, cwd, detached: true });
  const child = isReadOnDemand ? withoutReadingAhead(start) : start();
  const { pid } = child;
  if (pid !== undefined) return { child, pid };
  const [error]: unknown[] = await once(child, "error");
  throw error;
}

/** That of the request, else our own: which may have been removed meanwhile. */
function workingDirectory(request: ProcessRequest): string {
  try {
    return request.cwd ?? process.cwd();
  } catch (cause) {
    throw notStarted(request, cause, "the working directory is not there any more");
  }
}

/** The system says of a working directory what it says of a program: that something is not there, or may not be used. */
async function reasonNotEntered(directory: string): Promise<string | null> {
  try {
    const isDirectory = (await stat(directory)).isDirectory();
    if (!isDirectory) return `the working directory ${directory} is no directory`;
    await access(directory, constants.X_OK);
    return null;
  } catch (error) {
    return `the working directory ${directory} cannot be entered: ${messageOf(error)}`;
  }
}

function notStarted(
  { command }: ProcessRequest,
  cause: unknown,
  directoryReason: string | null,
): ProcessError {
  const reason = directoryReason ?? `${messageOf(cause)}. Is it installed and in PATH?`;
  const message = `${command} could not be started: ${reason}`;
  return new ProcessError("process_not_started", message, { command, cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown reason";
}

function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // ESRCH: the group is gone, which is what was asked for.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Waits until what was written before the exit is read, but not for whoever inherited the pipe. */
async function closed(streams: readonly Readable[], graceMs: number): Promise<void> {
  const open = streams.filter((stream) => !stream.closed && !stream.readableEnded);
  if (open.length === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  const all = Promise.all(
    open.map(
      (stream) =>
        new Promise<void>((resolve) => {
          stream.once("end", resolve);
          stream.once("close", resolve);
        }),
    ),
  );
  await Promise.race([all, deadline]);
  clearTimeout(timer);
}
