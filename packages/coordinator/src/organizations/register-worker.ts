import { generateWorkerToken, sha256Hex } from "../auth/random-token.ts";
import type { Queries } from "../db/client.ts";
import { insertRegistration } from "../db/registration-repository.ts";
import { ConflictError } from "../errors.ts";
import type { WorkerLink } from "../ports.ts";
import { checkWorkerId, checkWorkerToken } from "../rules/worker.ts";

export interface WorkerRegistrationRequest {
  organizationId: string;
  createdBy: string | null;
  workerId: string;
  displayName: string;
  url: string | null;
  /** null: a token is made and returned. */
  token: string | null;
  enableFetch: boolean;
  enableEval: boolean;
  enableBuild: boolean;
}

/** Registers a worker for an organization. Returns the token when it was made here; it is kept only as a hash. Throws BadRequestError, ConflictError. */
export async function registerWorker(
  dependencies: { db: Queries; workers: Pick<WorkerLink, "registrationsChanged"> },
  request: WorkerRegistrationRequest,
  now: number,
): Promise<string | null> {
  const workerId = checkWorkerId(request.workerId);
  const given = request.token === null ? null : checkWorkerToken(request.token);
  const token = given ?? generateWorkerToken();
  const isNew = await insertRegistration(dependencies.db, {
    organization_id: request.organizationId,
    worker_id: workerId,
    display_name: request.displayName,
    url: request.url,
    token_hash: sha256Hex(token),
    enable_fetch: request.enableFetch ? 1 : 0,
    enable_eval: request.enableEval ? 1 : 0,
    enable_build: request.enableBuild ? 1 : 0,
    active: 1,
    created_by: request.createdBy,
    registered_at: now,
  });
  if (!isNew) {
    throw new ConflictError(
      `worker ${workerId} is registered already; remove its registration first to give it a new token`,
      { code: "already_exists" },
    );
  }
  await dependencies.workers.registrationsChanged(workerId);
  return given === null ? token : null;
}
