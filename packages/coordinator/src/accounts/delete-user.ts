import { notManaged } from "../auth/authority.ts";
import { isPassword } from "../auth/passwords.ts";
import type { Database } from "../db/client.ts";
import { findSoleAdminships } from "../db/member-repository.ts";
import { deleteUser, type User } from "../db/user-repository.ts";
import { ConflictError, ForbiddenError } from "../errors.ts";
import { audit, type Actor } from "./audit.ts";

/** What shows that the owner means it: the password, or the user name of an account without one. */
export interface Confirmation {
  password: string | null;
  username: string | null;
}

/** As `removeUser`, for the owner, who confirms it. Throws ForbiddenError (not confirmed, managed), ConflictError. */
export async function removeOwnUser(
  database: Database,
  { user, confirmation, actor }: { user: User; confirmation: Confirmation; actor: Actor },
  now: number,
): Promise<void> {
  await checkConfirmation(user, confirmation);
  await removeUser(database, { user, actor }, now);
}

/**
 * Deletes an account with its sessions, keys and memberships. Organizations and caches stay, with all that was built for them; one of which
 * the user is the only Admin stands in the way, because nobody could manage it any more. Throws ForbiddenError (managed), ConflictError.
 */
export async function removeUser(
  database: Database,
  { user, actor }: { user: User; actor: Actor },
  now: number,
): Promise<void> {
  notManaged({ managed: user.managed, name: user.username });
  await database.transaction(async ({ kysely }) => {
    const orphans = await findSoleAdminships(kysely, user.id);
    if (orphans.length > 0) {
      const names = orphans.map(({ kind, name }) => `${kind} "${name}"`).join(", ");
      throw new ConflictError(
        `"${user.username}" is the only Admin of ${names}: give somebody else that role, or delete them first`,
      );
    }
    await deleteUser(kysely, user.id);
    await audit(kysely, { event: "user.delete", actor, subject: user.username }, now);
  });
}

async function checkConfirmation(user: User, confirmation: Confirmation): Promise<void> {
  if (user.password_hash === null) {
    if (confirmation.username === user.username) return;
    throw new ForbiddenError("confirm_username has to be the name of the account to delete");
  }
  if (await isPassword(confirmation.password ?? "", user.password_hash)) return;
  throw new ForbiddenError("the password of the account to delete is missing or wrong");
}
