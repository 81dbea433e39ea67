import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { UsersTable } from "./tables.ts";

export type User = Selectable<UsersTable>;

/** Stores a new user. False when the username or the e-mail address is taken. */
export async function insertUser(db: Queries, user: Insertable<UsersTable>): Promise<boolean> {
  const stored = await db
    .insertInto("users")
    .values(user)
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return stored !== undefined;
}

export function findUser(db: Queries, id: string): Promise<User | undefined> {
  return db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
}

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

export async function recordLogin(db: Queries, id: string, at: number): Promise<void> {
  await db.updateTable("users").set({ last_login_at: at }).where("id", "=", id).execute();
}
