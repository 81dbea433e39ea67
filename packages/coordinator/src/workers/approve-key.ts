import type { Database, Queries } from "../db/client.ts";
import {
  findWorkerKeys,
  forgetPendingKey,
  pinKey,
  type WorkerKeys,
} from "../db/key-change-repository.ts";
import { ConflictError, NotFoundError } from "../errors.ts";
import type { WorkerLink } from "../ports.ts";

/**
 * Pins the key that a worker has shown in the place of its old one. The caller names the key, so that it cannot be another one than was looked at.
 * Throws NotFoundError, ConflictError.
 */
export async function approveKey(
  dependencies: { database: Database; workers: Pick<WorkerLink, "keyChanged"> },
  worker: string,
  publicKey: string,
): Promise<void> {
  await dependencies.database.transaction(async ({ kysely }) => {
    await pinKey(kysely, await withPending(kysely, worker, publicKey), publicKey);
  });
  await dependencies.workers.keyChanged(worker);
}

/** Forgets the key that a worker has shown. It is noted again when the worker comes back with it. Throws NotFoundError, ConflictError. */
export async function refuseKey(
  database: Database,
  worker: string,
  publicKey: string,
): Promise<void> {
  await database.transaction(async ({ kysely }) => {
    await withPending(kysely, worker, publicKey);
    await forgetPendingKey(kysely, worker);
  });
}

async function withPending(db: Queries, worker: string, publicKey: string): Promise<WorkerKeys> {
  const keys = await findWorkerKeys(db, worker);
  if (keys === null) throw new NotFoundError(`worker ${worker} has never connected`);
  if (keys.pendingKey === publicKey) return keys;
  throw new ConflictError(
    keys.pendingKey === null
      ? `worker ${worker} has shown no other key than the one that is pinned`
      : `worker ${worker} has shown another key meanwhile: ${keys.pendingKey}`,
  );
}
