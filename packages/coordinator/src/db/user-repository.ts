import { sql, type Insertable, type Selectable, type Updateable } from "kysely";
import type { Queries } from "./client.ts";
import type { UsersTable } from "./account-tables.ts";

export type User = Selectable<UsersTable>;

/** Stores a new user. False when the username or the e-mail address is taken. */
export async function insertUser(db: Queries, user: Insertable<UsersTable>): Promise<boolean> {
  if (await isUsernameTaken(db, user.username, user.id)) return false;
  const stored = await db
    .insertInto("users")
    .values(user)
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return stored !== undefined;
}

/** Whether another account than `id` has the name but for the case of its letters: people would take one for the other. */
export async function isUsernameTaken(
  db: Queries,
  username: string,
  id: string | null,
): Promise<boolean> {
  const other = await db
    .selectFrom("users")
    .select("id")
    .where(sql`lower(username)`, "=", asciiLower(username))
    .where("id", "is not", id)
    .executeTakeFirst();
  return other !== undefined;
}

/** Also an account that is switched off. */
export function findUser(db: Queries, id: string): Promise<User | undefined> {
  return db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
}

/** Also an account that is switched off. */
export function findUserByName(db: Queries, username: string): Promise<User | undefined> {
  return db.selectFrom("users").selectAll().where("username", "=", username).executeTakeFirst();
}

/** By username or e-mail address; a username holds no `@`, so there is at most one. */
export function findUserByLogin(db: Queries, login: string): Promise<User | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where((where) =>
      where.or([where("username", "=", login), where("email", "=", login.toLowerCase())]),
    )
    .executeTakeFirst();
}

/** `at` in milliseconds since the epoch. Use of API keys is noted at the key. */
export async function recordLogin(db: Queries, id: string, at: number): Promise<void> {
  await db.updateTable("users").set({ last_login_at: at }).where("id", "=", id).execute();
}

/** By the hash of the token that was mailed last. */
export function findUserByVerification(db: Queries, hash: string): Promise<User | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("verification_hash", "=", hash)
    .executeTakeFirst();
}

/** Makes an earlier token worthless. */
export async function setVerification(
  db: Queries,
  id: string,
  columns: { verification_hash: string; verification_expires_at: number },
): Promise<void> {
  await db.updateTable("users").set(columns).where("id", "=", id).execute();
}

/** The token that showed it stays, so that a link that is opened twice is told so. */
export async function markEmailVerified(db: Queries, id: string): Promise<void> {
  await db.updateTable("users").set({ email_verified: 1 }).where("id", "=", id).execute();
}

/** By what the provider calls the person: `iss` and `sub` (OpenID Connect Core 1.0, 5.7). E-mail addresses change hands. */
export function findUserByIdentity(
  db: Queries,
  identity: { issuer: string; subject: string },
): Promise<User | undefined> {
  return db
    .selectFrom("users")
    .selectAll()
    .where("oidc_issuer", "=", identity.issuer)
    .where("oidc_subject", "=", identity.subject)
    .executeTakeFirst();
}

/** Every account that has this address, or this name but for the case of its letters. */
export function findUsersLike(
  db: Queries,
  like: { username: string; email: string },
): Promise<User[]> {
  return db
    .selectFrom("users")
    .selectAll()
    .where((where) =>
      where.or([
        where(sql`lower(username)`, "=", asciiLower(like.username)),
        where("email", "=", like.email),
      ]),
    )
    .execute();
}

/** Changes an account. Tells which of the new values another account has; then nothing is changed. */
export async function updateUser(
  db: Queries,
  id: string,
  change: Updateable<UsersTable>,
): Promise<"username" | "email" | null> {
  const { username, email } = change;
  if (username !== undefined && (await isUsernameTaken(db, username, id))) return "username";
  if (email !== undefined) {
    const other = await db
      .selectFrom("users")
      .select("id")
      .where("email", "=", email)
      .where("id", "!=", id)
      .executeTakeFirst();
    if (other !== undefined) return "email";
  }
  if (Object.keys(change).length > 0) {
    await db.updateTable("users").set(change).where("id", "=", id).execute();
  }
  return null;
}

/** With sessions, keys and memberships. */
export async function deleteUser(db: Queries, id: string): Promise<void> {
  await db.deleteFrom("users").where("id", "=", id).execute();
}

/** Users who may sign in and whose user name or name begins with the text, whatever the case, or whose e-mail address it is; by user name. */
export function searchUsers(
  db: Queries,
  text: string,
  limit: number,
): Promise<Pick<User, "id" | "username" | "name">[]> {
  const start = asciiLower(text);
  const end = `${start}\u{10FFFF}`;
  return db
    .selectFrom("users")
    .select(["id", "username", "name"])
    .where("active", "=", 1)
    .where((where) =>
      where.or([
        where.and([
          where(sql`lower(username)`, ">=", start),
          where(sql`lower(username)`, "<", end),
        ]),
        where.and([where(sql`lower(name)`, ">=", start), where(sql`lower(name)`, "<", end)]),
        where("email", "=", text.toLowerCase()),
      ]),
    )
    .orderBy("username")
    .limit(limit)
    .execute();
}

/** As SQLite's lower(): letters beyond ASCII stay as they are. */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
