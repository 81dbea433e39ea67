import type { OrganizationId } from "@gradient/protocol";
import type { Queries } from "../db/client.ts";
import { findRegistration } from "../db/registration-repository.ts";
import { NotFoundError } from "../errors.ts";
import type { WorkerLink } from "../ports.ts";

export interface WorkerTest {
  isConnected: boolean;
  /** Connected, and with a valid token of the organization. */
  isAuthorized: boolean;
  roundTripMs: number | null;
  /** What is wrong and what to do; null when nothing is. */
  message: string | null;
}

/** Asks a registered worker for a sign of life; takes some seconds when there is none. Throws NotFoundError. */
export async function testWorker(
  { db, workers }: { db: Queries; workers: WorkerLink },
  { organization, workerId }: { organization: OrganizationId; workerId: string },
): Promise<WorkerTest> {
  const registration = await findRegistration(db, { organizationId: organization, workerId });
  if (registration === undefined) {
    throw new NotFoundError(`worker ${workerId} is not registered for this organization`);
  }
  const roundTripMs = await workers.probe(workerId);
  const live = workers.live().find(({ worker }) => worker === workerId);
  const isAuthorized = live?.authorized.has(organization) === true;
  const faults: [boolean, string][] = [
    [registration.active === 0, "the registration is switched off: switch it on to use the worker"],
    [live === undefined, "the worker is not connected: see its log, or run gradient-worker check"],
    [roundTripMs === null, "the worker is connected and does not answer: its machine may be stuck"],
    [!isAuthorized, "the worker has no valid token of this organization in its peers file"],
    [
      live?.isDraining === true,
      "the worker drains: it finishes what it runs and takes nothing new",
    ],
  ];
  const message = faults.find(([applies]) => applies)?.[1] ?? null;
  return { isConnected: live !== undefined, isAuthorized, roundTripMs, message };
}
