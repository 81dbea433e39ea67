import type { Actor } from "../accounts/audit.ts";
import type { SignedIn } from "../auth/caller.ts";
import { requireFarm, openFarmDatabase } from "../data-dir.ts";
import { findCacheRow, findOrganizationRow, findProjectRow } from "../db/declared-repository.ts";
import type { Database, Queries } from "../db/client.ts";
import { findUserByName, type User } from "../db/user-repository.ts";
import { NotFoundError } from "../errors.ts";
import { configOf } from "./setting-options.ts";
import type { Surroundings } from "./surroundings.ts";

/** Who has done what a command did, for the audit trail. */
export const operator: Actor = {
  userId: null,
  apiKeyId: null,
  ip: null,
  userAgent: "gradient-coordinator",
};

/** The database of a farm that is there. Throws UserError. */
export async function openExisting(
  flags: Readonly<Record<string, unknown>>,
  { env }: Surroundings,
): Promise<Database> {
  const { dataDir } = configOf(flags, env);
  await requireFarm(dataDir);
  return openFarmDatabase(dataDir);
}

/** Throws NotFoundError. */
export async function userNamed(db: Queries, username: string): Promise<User> {
  const user = await findUserByName(db, username);
  if (user !== undefined) return user;
  throw new NotFoundError(`user "${username}" does not exist; user list shows them all`);
}

/** With the account's own rights, as if it were signed in. */
export function asUser(user: User): SignedIn {
  return { kind: "signed-in", user, sessionId: null, key: null };
}

/** Throws NotFoundError. */
export async function organizationNamed(db: Queries, name: string) {
  const organization = await findOrganizationRow(db, { name });
  if (organization !== undefined) return organization;
  throw new NotFoundError(`organization "${name}" does not exist`);
}

/** With the name that users know, `acme/website`. Throws NotFoundError. */
export async function projectNamed(
  db: Queries,
  { organization, project: name }: { readonly organization: string; readonly project: string },
) {
  const { id } = await organizationNamed(db, organization);
  const project = await findProjectRow(db, id, name);
  const shown = `${organization}/${name}`;
  if (project !== undefined) return { project, shown };
  throw new NotFoundError(`project "${shown}" does not exist; project list shows them all`);
}

/** Throws NotFoundError. */
export async function cacheNamed(db: Queries, name: string) {
  const cache = await findCacheRow(db, { name });
  if (cache !== undefined) return cache;
  throw new NotFoundError(`cache "${name}" does not exist; cache list shows them all`);
}
