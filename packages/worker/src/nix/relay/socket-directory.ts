import { mkdir, mkdtemp, readdir, rm, rmdir, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { errnoOf } from "../../error-facts.ts";

const PREFIX = "gradient-eval-";
const SOCKET = "socket";
/** Before, another worker may be about to listen. */
const MIN_STALE_AGE_MS = 60_000;
/** Of a socket's path in the kernel, with an end mark; characters that need no escape in a store's address. */
const SOCKET_PATH = /^[\w./-]{1,107}$/;

/** Of one socket. Only its owner may enter it. */
export interface SocketDirectory extends AsyncDisposable {
  readonly socketPath: string;
}

/**
 * Makes one below the state directory, or where temporary files are when a socket's path would be too long there. What workers that were
 * killed have left beside it is removed.
 */
export async function openSocketDirectory(stateDirectory: string): Promise<SocketDirectory> {
  const places = [path.join(stateDirectory, "evaluators"), tmpdir(), "/tmp"];
  const place = places.find((each) => SOCKET_PATH.test(socketIn(`${each}/${PREFIX}XXXXXX`)));
  const parent = place ?? "/tmp";
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const [directory] = await Promise.all([mkdtemp(path.join(parent, PREFIX)), removeStale(parent)]);
  return {
    socketPath: socketIn(directory),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

async function removeStale(parent: string): Promise<void> {
  const names = await readdir(parent);
  const directories = names.filter((name) => name.startsWith(PREFIX));
  await Promise.all(
    directories.map(async (name) => {
      const directory = path.join(parent, name);
      if (!(await isStale(directory))) return;
      // Nothing else is in one of ours, and another user's stays.
      await rm(socketIn(directory), { force: true }).catch(() => {});
      await rmdir(directory).catch(() => {});
    }),
  );
}

/** Whether nobody listens there any more. Pids would say less: containers may share the directory. */
async function isStale(directory: string): Promise<boolean> {
  const facts = await stat(directory).catch(() => null);
  if (facts === null || Date.now() - facts.mtimeMs < MIN_STALE_AGE_MS) return false;
  return new Promise((resolve) => {
    const socket = connect(socketIn(directory));
    const answer = (isDead: boolean): void => {
      socket.destroy();
      resolve(isDead);
    };
    socket.once("connect", () => answer(false));
    socket.once("error", (error) =>
      answer(["ECONNREFUSED", "ENOENT"].includes(errnoOf(error) ?? "")),
    );
  });
}

function socketIn(directory: string): string {
  return `${directory}/${SOCKET}`;
}
