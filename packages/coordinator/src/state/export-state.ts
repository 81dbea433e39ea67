import type { Database } from "../db/client.ts";
import { readDeclarable, type Declarable } from "../db/state-view.ts";
import { exportCaches } from "./export/caches.ts";
import { exportOrganizations, exportRoles, exportUsers } from "./export/people.ts";
import { exportIntegrations, exportProjects } from "./export/projects.ts";
import { exportApiKeys, exportWorkers } from "./export/keys.ts";

/** The names behind ids. */
export interface Names {
  readonly users: ReadonlyMap<string, string>;
  readonly organizations: ReadonlyMap<string, string>;
  readonly caches: ReadonlyMap<string, string>;
  /** User name of a creator, or of the first superuser when that account is gone. */
  creator(id: string | null): string | undefined;
}

/**
 * A state file that makes a farm like this one: with hashes of passwords, tokens and keys, and with secrets as the master key has sealed them, so that it is
 * worth something only with that key. What was built is not in it.
 */
export async function exportState(database: Database): Promise<object> {
  const rows = await database.transaction(({ kysely }) => readDeclarable(kysely));
  const names = namesOf(rows);
  const file = {
    users: exportUsers(rows),
    organizations: exportOrganizations(rows, names),
    roles: exportRoles(rows, names),
    integrations: exportIntegrations(rows, names),
    projects: exportProjects(rows, names),
    caches: exportCaches(rows, names),
    workers: exportWorkers(rows, names),
    api_keys: exportApiKeys(rows, names),
  };
  // Null is what is left out.
  return JSON.parse(JSON.stringify(file, (_, value: unknown) => value ?? undefined));
}

function namesOf({ users, organizations, caches }: Declarable): Names {
  const usernames = new Map(users.map(({ id, username }) => [id, username]));
  const superuser = users.find((user) => user.superuser === 1)?.username;
  return {
    users: usernames,
    organizations: new Map(organizations.map(({ id, name }) => [id, name])),
    caches: new Map(caches.map(({ id, name }) => [id, name])),
    creator: (id) => usernames.get(id ?? "") ?? superuser,
  };
}
