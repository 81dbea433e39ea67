import { ProcessError, describeExit } from "./process-error.ts";
import { type ProcessExit, type ProcessRequest, collectTail, startProcess } from "./start.ts";

const KILL_GRACE_MS = 1000;
const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface RunRequest extends ProcessRequest {
  /** What messages call it, for instance `nix store sign`; the command's name when absent. */
  title?: string;
  timeoutMs: number;
  signal?: AbortSignal;
  /** Is told the pid. */
  onStart?: (pid: number) => void;
  stdin?: string | Uint8Array;
  /** More output than this ends the process; 16 MiB when absent. */
  maxOutputBytes?: number;
}

export interface RunResult {
  stdout: Buffer;
  /** The last 64 KiB. */
  stderr: string;
}

/**
 * Runs a program to its end. Rejects with a ProcessError when it can not be started, fails, takes longer than
 * `timeoutMs`, writes more than `maxOutputBytes`, or when `signal` fires; then nothing of its process group is left.
 */
export async function runProcess(request: RunRequest): Promise<RunResult> {
  const title = request.title ?? request.command;
  if (request.signal?.aborted) {
    throw new ProcessError("process_cancelled", `${title} was cancelled before it started`, {
      command: request.command,
    });
  }
  const child = await startProcess(request);
  request.onStart?.(child.pid);
  let endedBy: "timeout" | "cancel" | "output" | null = null;
  const end = (reason: typeof endedBy): void => {
    if (endedBy !== null) return;
    endedBy = reason;
    void child.end(KILL_GRACE_MS);
  };
  const timer = setTimeout(() => end("timeout"), request.timeoutMs);
  const onAbort = (): void => end("cancel");
  request.signal?.addEventListener("abort", onAbort, { once: true });
  if (request.signal?.aborted) onAbort();
  const stderr = collectTail(child.stderr);
  const output = collectBounded(child.stdout, request.maxOutputBytes, () => end("output"));
  child.stdin.end(request.stdin);
  try {
    const exit = await child.exit;
    const outcome = { title, request, exit, stderr: stderr.text(), endedBy };
    const error = failureOf(outcome);
    if (error !== null) throw error;
    return { stdout: Buffer.concat(output), stderr: outcome.stderr };
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", onAbort);
  }
}

function collectBounded(
  stream: NodeJS.ReadableStream,
  maxBytes = DEFAULT_MAX_OUTPUT_BYTES,
  onOverflow: () => void,
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  stream.on("data", (chunk: Uint8Array) => {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) onOverflow();
    else chunks.push(chunk);
  });
  stream.on("error", () => {});
  return chunks;
}

function failureOf(outcome: {
  title: string;
  request: RunRequest;
  exit: ProcessExit;
  stderr: string;
  endedBy: "timeout" | "cancel" | "output" | null;
}): ProcessError | null {
  const { title, request, exit, stderr, endedBy } = outcome;
  const details = { command: request.command, ...exit, stderr };
  if (endedBy === "timeout") {
    const message = `${title} did not end within ${request.timeoutMs} ms and was killed`;
    return new ProcessError("process_timeout", message, { ...details, isTransient: true });
  }
  if (endedBy === "cancel") {
    return new ProcessError("process_cancelled", `${title} was cancelled`, details);
  }
  if (endedBy === "output") {
    const message = `${title} wrote more than was allowed to its output and was killed`;
    return new ProcessError("process_output_too_large", message, details);
  }
  if (exit.exitCode === 0) return null;
  const said = stderr.trim().split("\n").at(-1) ?? "";
  const message = `${title} ended with ${describeExit(exit)}${said === "" ? "" : `: ${said}`}`;
  return new ProcessError("process_failed", message, details);
}
