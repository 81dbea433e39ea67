import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { workerIdSchema, type WorkerId } from "@gradient/protocol";
import { v4 as uuidV4, validate as isUuid } from "uuid";
import { writeDurably } from "../atomic-file.ts";
import { UserError } from "../errors.ts";
import { makeDirectories } from "../make-directories.ts";
import { errnoOf, reasonOf } from "../error-facts.ts";

/**
 * The worker's id: the override when one is given (any UUID; it is not written), else the one in `<stateDir>/worker-id`,
 * else a new version 4 UUID that is kept there. Throws UserError for anything that is no UUID.
 */
export async function loadWorkerId(stateDir: string, override: string | null): Promise<WorkerId> {
  if (override !== null) {
    return parseId(
      override,
      (text) =>
        `the worker id '${text}' is no UUID: leave it out to use the one in ${stateDir}, or make one with 'uuidgen'`,
    );
  }
  const path = join(stateDir, "worker-id");
  const content = await readOrNull(path);
  if (content === null) return createWorkerId(stateDir, path);
  return parseId(
    content,
    () =>
      `${path} does not hold a worker id (one UUID): restore it from a backup, or remove the file to become a new worker that has to be registered again`,
  );
}

async function createWorkerId(stateDir: string, path: string): Promise<WorkerId> {
  const id = workerIdSchema.parse(uuidV4());
  try {
    await makeDirectories(stateDir);
    await writeDurably(path, `${id}\n`);
  } catch (cause) {
    throw new UserError("state-dir", `cannot write ${path}: ${reasonOf(cause)}`, { cause });
  }
  return id;
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return null;
    throw new UserError("worker-id", `cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
}

function parseId(text: string, complain: (shown: string) => string): WorkerId {
  const id = text.trim().toLowerCase();
  if (!isUuid(id)) throw new UserError("worker-id", complain(text.trim().slice(0, 60)));
  return workerIdSchema.parse(id);
}
