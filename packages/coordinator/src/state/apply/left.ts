import { deleteApiKey } from "../../db/api-key-repository.ts";
import { deleteCache, listSubscribers } from "../../db/cache-repository.ts";
import {
  listManaged,
  releaseManaged,
  type ManagedRow,
  type ManagedTable,
} from "../../db/declared-repository.ts";
import { findActiveEvaluations } from "../../db/evaluation-repository.ts";
import { deleteIntegration } from "../../db/integration-repository.ts";
import { deleteOrganization } from "../../db/organization-repository.ts";
import { deleteProject } from "../../db/project-repository.ts";
import { listRegistrations } from "../../db/registration-repository.ts";
import { deleteRole } from "../../db/role-repository.ts";
import { ConflictError } from "../../errors.ts";
import { record, tell, type Applying } from "./applying.ts";

type Remove = (applying: Applying, row: ManagedRow) => Promise<void>;

/** What belongs to others goes before them. */
const KINDS: readonly { table: ManagedTable; kind: string; remove: Remove }[] = [
  { table: "api_keys", kind: "API key", remove: ({ db }, { id }) => deleteApiKey(db, id) },
  { table: "projects", kind: "project", remove: removeProject },
  {
    table: "integrations",
    kind: "integration",
    remove: ({ db }, { id }) => deleteIntegration(db, id),
  },
  { table: "roles", kind: "role", remove: ({ db }, { id }) => deleteRole(db, id) },
  { table: "caches", kind: "cache", remove: removeCache },
  { table: "organizations", kind: "organization", remove: removeOrganization },
];

/** What an earlier file has declared and this one does not, but for users and workers. */
export async function applyLeft(applying: Applying): Promise<void> {
  const { db, removesLeft } = applying;
  const kept = new Set([
    ...applying.kept,
    ...applying.organizationIds.values(),
    ...applying.cacheIds.values(),
  ]);
  for (const { table, kind, remove } of KINDS) {
    for (const row of await listManaged(db, table)) {
      if (kept.has(row.id)) continue;
      if (removesLeft) await remove(applying, row);
      else await releaseManaged(db, table, row.id);
      record(applying, removesLeft ? "removed" : "released", kind, row.name);
    }
  }
}

async function removeProject({ db, isServed }: Applying, { id, name }: ManagedRow): Promise<void> {
  if (isServed) {
    const active = await findActiveEvaluations(db);
    requireIdle(
      "project",
      name,
      active.filter(({ project }) => project === id),
    );
  }
  await deleteProject(db, id);
}

async function removeCache(applying: Applying, { id }: ManagedRow): Promise<void> {
  const { db } = applying;
  for (const organization of await listSubscribers(db, id)) {
    await tell(applying, "caches_of", organization);
  }
  await deleteCache(db, id);
}

async function removeOrganization(applying: Applying, { id, name }: ManagedRow): Promise<void> {
  const { db, isServed } = applying;
  if (isServed) requireIdle("organization", name, await findActiveEvaluations(db, id));
  for (const { worker_id: worker } of await listRegistrations(db, id)) {
    await tell(applying, "worker", worker);
  }
  await deleteOrganization(db, id);
}

/** A coordinator that runs works on what is active, and would go on. */
function requireIdle(kind: string, name: string, active: readonly { readonly id: string }[]): void {
  const [first] = active;
  if (first === undefined) return;
  throw new ConflictError(
    `${kind} "${name}" left the file and has the active evaluation ${first.id}: abort it, wait for it, or restart the coordinator with the file`,
  );
}
