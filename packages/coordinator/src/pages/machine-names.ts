import type { Caller } from "../auth/caller.ts";
import { listRegistrations } from "../db/registration-repository.ts";
import type { PageServices } from "./page-services.ts";
import { memberships } from "./shown.ts";

/** Workers as they are named to a caller. */
export interface MachineNames {
  /** null for one that the caller is not told of. */
  of(worker: string | null): { id: string; name: string } | null;
}

/** Workers of an organization; nothing of them is told to those who are no members. */
export async function machineNames(
  services: PageServices,
  caller: Caller,
  organizationId: string,
): Promise<MachineNames> {
  const organizations = await memberships(services, caller);
  const isMember = organizations.some(({ id }) => id === organizationId);
  const registered = isMember
    ? await listRegistrations(services.database.kysely, organizationId)
    : [];
  const names = new Map(registered.map((row) => [row.worker_id, row.display_name]));
  return {
    of: (id) => {
      const name = id === null ? undefined : names.get(id);
      return id === null || name === undefined ? null : { id, name: name === "" ? id : name };
    },
  };
}
