import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { STATUS_SOCKET } from "./server.ts";
import { type WorkerStatus, workerStatusSchema } from "./status.ts";

const TIMEOUT_MS = 10_000;

/** Asks the worker that runs with this state directory how it is. Rejects with a UserError when there is none. */
export function askStatus(stateDirectory: string): Promise<WorkerStatus> {
  return ask(stateDirectory, { method: "GET", path: "/status" });
}

/** Asks it to finish what runs and end. */
export function askToDrain(stateDirectory: string): Promise<WorkerStatus> {
  return ask(stateDirectory, { method: "POST", path: "/drain" });
}

/** As `askToDrain`; calls `onHeard` when the worker has heard it, and resolves to the last status when it ends. */
export function askToDrainAndWait(
  stateDirectory: string,
  onHeard: () => void,
): Promise<WorkerStatus> {
  return ask(stateDirectory, { method: "POST", path: "/drain?wait", onHeard });
}

interface Question {
  readonly method: string;
  readonly path: string;
  /** Called at the beginning of the answer, whose end may take as long as it likes then. */
  readonly onHeard?: () => void;
}

async function ask(stateDirectory: string, question: Question): Promise<WorkerStatus> {
  const socketPath = join(stateDirectory, STATUS_SOCKET);
  try {
    const answer = await exchange(socketPath, question);
    question.onHeard?.();
    const body = await text(answer);
    if (answer.statusCode !== 200 && answer.statusCode !== 202) {
      throw new UserError("status", `the worker answered ${answer.statusCode}: ${body.trim()}`);
    }
    return workerStatusSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw problemOf(cause, socketPath);
  }
}

function exchange(
  socketPath: string,
  { method, path, onHeard }: Question,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, (answer) => {
      if (onHeard !== undefined) outgoing.setTimeout(0);
      resolve(answer);
    });
    outgoing.on("error", reject);
    outgoing.setTimeout(TIMEOUT_MS, () => {
      outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`));
    });
    outgoing.end();
  });
}

function problemOf(cause: unknown, socketPath: string): UserError {
  if (cause instanceof UserError) return cause;
  switch (errnoOf(cause)) {
    case "ENOENT":
    case "ECONNREFUSED":
      return new UserError(
        "no-worker",
        `no worker answers at ${socketPath}: is one running, with this --state-dir?`,
        { cause },
      );
    case "EACCES":
      return new UserError("no-access", `${socketPath} belongs to another user`, { cause });
    case "ECONNRESET":
      return new UserError("worker-lost", "the worker ended before it was done", { cause });
    default:
      return new UserError("status", `cannot ask ${socketPath}: ${reasonOf(cause)}`, { cause });
  }
}
