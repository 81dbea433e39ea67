import { v7 as uuidv7 } from "uuid";
import type { Queries } from "../db/client.ts";
import {
  findUserByIdentity,
  findUsersLike,
  insertUser,
  updateUser,
  type User,
} from "../db/user-repository.ts";
import { OidcError } from "../oidc/errors.ts";
import type { Identity } from "../oidc/identity.ts";
import { isEmail, usernameFault } from "../rules/account.ts";
import { displayNameFault } from "../rules/names.ts";

/**
 * The account of somebody whom the provider knows: the one that is bound to (issuer, subject); else the one without password and binding that has
 * the same name or address, which is bound; else a new one. Throws OidcError when another account is in the way. To be called in a transaction.
 */
export async function userOfIdentity(db: Queries, identity: Identity, now: number): Promise<User> {
  if (!isEmail(identity.email)) {
    throw new OidcError(`${JSON.stringify(identity.email)} is not an e-mail address`);
  }
  const bound = await findUserByIdentity(db, identity);
  if (bound !== undefined) return refresh(db, bound, identity);
  const username = usernameOf(identity);
  const others = await findUsersLike(db, { username, email: identity.email });
  const [claimed] = others;
  if (claimed === undefined) return create(db, { username, identity }, now);
  if (others.length > 1 || !isClaimable(claimed, username, identity)) {
    throw new OidcError(
      `user name "${username}" or address ${identity.email} belongs to another account`,
    );
  }
  return bind(db, claimed, identity);
}

function isClaimable(user: User, username: string, identity: Identity): boolean {
  if (user.username !== username && user.email !== identity.email) return false;
  if (user.password_hash !== null || user.oidc_subject !== null) return false;
  // An address that the provider does not vouch for must not open somebody's account.
  return user.email !== identity.email || !identity.isEmailDoubtful;
}

/** Name and address follow the provider, as far as they are fit and free. */
async function refresh(db: Queries, user: User, identity: Identity): Promise<User> {
  const name = nameOf(identity, user.name);
  const taken = await updateUser(db, user.id, { name, email: identity.email });
  if (taken === null) return { ...user, name, email: identity.email };
  await updateUser(db, user.id, { name });
  return { ...user, name };
}

async function bind(db: Queries, user: User, identity: Identity): Promise<User> {
  const binding = {
    oidc_issuer: identity.issuer,
    oidc_subject: identity.subject,
    email_verified: 1 as const,
  };
  await updateUser(db, user.id, binding);
  return refresh(db, { ...user, ...binding }, identity);
}

async function create(
  db: Queries,
  { username, identity }: { username: string; identity: Identity },
  now: number,
): Promise<User> {
  const user: User = {
    id: uuidv7(),
    username,
    name: nameOf(identity, username),
    email: identity.email,
    password_hash: null,
    superuser: 0,
    email_verified: 1,
    active: 1,
    created_at: now,
    last_login_at: null,
    managed: 0,
    oidc_issuer: identity.issuer,
    oidc_subject: identity.subject,
    verification_hash: null,
    verification_expires_at: null,
  };
  await insertUser(db, user);
  return user;
}

/** The provider's name for the user, brought into the form that ours have. Throws OidcError when nothing fit is left. */
function usernameOf(identity: Identity): string {
  const given = identity.preferredUsername ?? identity.subject;
  const username = given
    .replace(/@.*$/s, "")
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/[_-]{2,}/g, "-")
    .replace(/^[_-]+|[_-]+$/g, "");
  const fault = usernameFault(username);
  if (fault === null) return username;
  throw new OidcError(`user name ${JSON.stringify(given)} cannot be used: ${fault}`);
}

function nameOf(identity: Identity, otherwise: string): string {
  const name = identity.name?.trim() ?? identity.subject;
  return displayNameFault(name) === null ? name : otherwise;
}
