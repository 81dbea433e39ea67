import { notManaged } from "../auth/authority.ts";
import type { Database } from "../db/client.ts";
import { updateUser, type User } from "../db/user-repository.ts";
import { ConflictError, ForbiddenError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { checkEmail, checkUsername } from "../rules/account.ts";
import { checkDisplayName } from "../rules/names.ts";
import { newVerificationToken, type EmailVerification } from "./email-verification.ts";

/** What is absent stays as it is. */
export interface ProfileChange {
  username?: string | undefined;
  name?: string | undefined;
  email?: string | undefined;
}

/**
 * Changes what an account shows of its owner. True when another address has to be verified before the next login; the link was mailed then, or
 * the log says that it was not. Throws BadRequestError, ForbiddenError (managed, or kept by the OIDC provider), ConflictError (taken).
 */
export async function changeProfile(
  dependencies: { database: Database; verification: EmailVerification | null; logger: Logger },
  user: User,
  change: ProfileChange,
  now: number,
): Promise<boolean> {
  notManaged({ managed: user.managed, name: user.username });
  if (user.password_hash === null) {
    throw new ForbiddenError("name and address of this account are kept by the OIDC provider");
  }
  const { database, verification, logger } = dependencies;
  const wanted = changesOf(user, change);
  const token =
    verification === null || wanted.email === undefined ? null : newVerificationToken(now);
  const columns =
    token === null ? wanted : { ...wanted, email_verified: 0 as const, ...token.columns };
  const taken = await database.transaction(({ kysely }) => updateUser(kysely, user.id, columns));
  if (taken !== null) {
    const value = JSON.stringify(wanted[taken]);
    throw new ConflictError(`the ${taken} ${value} is taken`, { code: "already_exists" });
  }
  if (verification === null || token === null) return false;
  try {
    await verification.mail({ ...user, ...wanted }, token.token);
  } catch (error) {
    logger.error({ err: error, user: user.id }, "verification mail could not be sent");
  }
  return true;
}

/** The new values that differ from the old ones, checked. */
function changesOf(user: User, { username, name, email }: ProfileChange): Partial<User> {
  const changes: Partial<User> = {};
  if (username !== undefined && username !== user.username) {
    checkUsername(username);
    changes.username = username;
  }
  if (name !== undefined && name !== user.name) {
    checkDisplayName(name);
    changes.name = name;
  }
  if (email !== undefined && email.toLowerCase() !== user.email) {
    checkEmail(email);
    changes.email = email.toLowerCase();
  }
  return changes;
}
