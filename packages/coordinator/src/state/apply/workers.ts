import { sha256Hex } from "../../auth/random-token.ts";
import { insertPinnedWorker, listManagedRegistrations } from "../../db/declared-repository.ts";
import { findWorkerKeys, pinKey } from "../../db/key-change-repository.ts";
import {
  deleteRegistration,
  findRegistration,
  insertRegistration,
  updateRegistration,
} from "../../db/registration-repository.ts";
import { checkPublicKey } from "../../rules/upstream.ts";
import { checkWorkerId } from "../../rules/worker.ts";
import type { DeclaredWorker } from "../declared.ts";
import { creatorId, difference, idOf, record, tell, type Applying } from "./applying.ts";

/** Registers workers for organizations as the file says, and pins their keys. */
export async function applyWorkers(applying: Applying): Promise<void> {
  for (const worker of applying.declared.workers) {
    const workerId = checkWorkerId(worker.worker_id);
    for (const organization of worker.organizations) {
      const organizationId = idOf(applying.organizationIds, organization);
      await applyRegistration(applying, worker, { organizationId, workerId });
    }
    await applyKey(applying, worker, workerId);
  }
}

async function applyRegistration(
  applying: Applying,
  worker: DeclaredWorker,
  key: { readonly organizationId: string; readonly workerId: string },
): Promise<void> {
  const { db, now } = applying;
  const columns = columnsOf(applying, worker);
  const found = await findRegistration(db, key);
  if (found === undefined) {
    await insertRegistration(db, {
      organization_id: key.organizationId,
      worker_id: key.workerId,
      ...columns,
      created_by: creatorId(applying, worker),
      registered_at: now,
    });
    record(applying, "created", "worker", key.workerId);
  } else {
    const changed = difference(found, columns);
    if (changed === null) return;
    await updateRegistration(db, key, changed);
    record(applying, "changed", "worker", key.workerId);
  }
  await tell(applying, "worker", key.workerId);
}

function columnsOf({ secrets }: Applying, worker: DeclaredWorker) {
  const token = secrets.workerTokens.get(worker.token_file ?? "");
  return {
    display_name: worker.display_name ?? String(worker.path.at(-1)),
    url: worker.url ?? null,
    token_hash: token === undefined ? (worker.token_hash ?? "") : sha256Hex(token),
    enable_fetch: worker.enable_fetch ? 1 : 0,
    enable_eval: worker.enable_eval ? 1 : 0,
    enable_build: worker.enable_build ? 1 : 0,
    active: worker.enabled ? 1 : 0,
    managed: 1,
  } as const;
}

/** As when an administrator approves another key. */
async function applyKey(
  applying: Applying,
  worker: DeclaredWorker,
  workerId: string,
): Promise<void> {
  if (worker.public_key === undefined) return;
  const publicKey = checkPublicKey(worker.public_key);
  const keys = await findWorkerKeys(applying.db, workerId);
  if (keys?.key === publicKey) return;
  if (keys === null) await insertPinnedWorker(applying.db, { id: workerId, publicKey });
  else await pinKey(applying.db, keys, publicKey);
  await tell(applying, "worker_key", workerId);
  record(applying, "changed", "key of worker", workerId);
}

/** Registrations that left the file. */
export async function applyLeftWorkers(applying: Applying): Promise<void> {
  const { db, declared, removesLeft } = applying;
  const kept = new Set(
    declared.workers.flatMap((worker) =>
      worker.organizations.map(
        (name) => `${idOf(applying.organizationIds, name)} ${checkWorkerId(worker.worker_id)}`,
      ),
    ),
  );
  for (const row of await listManagedRegistrations(db)) {
    if (kept.has(`${row.organization_id} ${row.worker_id}`)) continue;
    const key = { organizationId: row.organization_id, workerId: row.worker_id };
    if (removesLeft) await deleteRegistration(db, key);
    else await updateRegistration(db, key, { managed: 0 });
    await tell(applying, "worker", row.worker_id);
    record(applying, removesLeft ? "removed" : "released", "worker", row.worker_id);
  }
}
