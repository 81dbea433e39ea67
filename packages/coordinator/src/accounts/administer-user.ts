import { notManaged } from "../auth/authority.ts";
import { hashPassword } from "../auth/passwords.ts";
import type { Database, Queries } from "../db/client.ts";
import { revokeSessionsOf } from "../db/session-repository.ts";
import { findUserByName, updateUser, type User } from "../db/user-repository.ts";
import { NotFoundError } from "../errors.ts";
import { checkPassword } from "../rules/account.ts";

/** What whoever operates the server does to accounts. */

/** Gives an account another password and ends its sessions. Throws NotFoundError, BadRequestError `invalid_password`. */
export async function setPassword(
  database: Database,
  { username, password }: { username: string; password: string },
  now: number,
): Promise<void> {
  checkPassword(password);
  const hash = await hashPassword(password);
  await database.transaction(async ({ kysely }) => {
    const user = await userNamed(kysely, username);
    await updateUser(kysely, user.id, { password_hash: hash });
    await revokeSessionsOf(kysely, user.id, now);
  });
}

/** An account that is not active is kept out at once, with all of its sessions and keys. Throws NotFoundError. */
export async function setActive(db: Queries, username: string, isActive: boolean): Promise<void> {
  const user = await userNamed(db, username);
  await updateUser(db, user.id, { active: isActive ? 1 : 0 });
}

/** Throws NotFoundError, and ForbiddenError for an account that a state file declares. */
export async function setSuperuser(
  db: Queries,
  username: string,
  isSuperuser: boolean,
): Promise<void> {
  const user = await userNamed(db, username);
  notManaged({ managed: user.managed, name: username });
  await updateUser(db, user.id, { superuser: isSuperuser ? 1 : 0 });
}

async function userNamed(db: Queries, username: string): Promise<User> {
  const user = await findUserByName(db, username);
  if (user !== undefined) return user;
  throw new NotFoundError(`user "${username}" does not exist`);
}
