import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";
import { errnoOf, reasonOf } from "../error-facts.ts";
import { UserError } from "../errors.ts";
import { makeDirectories } from "../make-directories.ts";

/** Longest path of a Unix socket on Linux, without its final zero (unix(7)). */
export const MAX_SOCKET_PATH = 107;

/**
 * Makes sure that this is the only worker on the state directory: a second one would take the journal of the first for that of a dead
 * process. It holds a listening socket, which ends with the process however that ends. Throws UserError when another worker runs.
 */
export async function lockStateDirectory(directory: string): Promise<AsyncDisposable> {
  const path = join(directory, "lock");
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new UserError(
      "state-dir",
      `the state directory's path is too long: ${path} may have ${MAX_SOCKET_PATH} bytes`,
    );
  }
  try {
    await makeDirectories(directory);
    const server = (await listenOn(path)) ?? (await replaceStale(path));
    return {
      async [Symbol.asyncDispose]() {
        server.close();
        await once(server, "close");
      },
    };
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError("state-dir", `cannot use ${directory}: ${reasonOf(cause)}`, { cause });
  }
}

/** null when there is a socket already. */
async function listenOn(path: string): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  try {
    await once(server, "listening");
    server.unref();
    return server;
  } catch (error) {
    if (errnoOf(error) === "EADDRINUSE") return null;
    throw error;
  }
}

async function replaceStale(path: string): Promise<Server> {
  if (!(await isAnswered(path))) {
    await rm(path, { force: true });
    const server = await listenOn(path);
    if (server) return server;
  }
  throw new UserError(
    "state-dir",
    `another worker runs with this state directory (${path}): stop it, or give this one its own --state-dir`,
  );
}

/** Whether a process listens at a Unix socket. */
export async function isAnswered(path: string): Promise<boolean> {
  const socket = createConnection(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
