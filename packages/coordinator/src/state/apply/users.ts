import { v7 as uuidv7 } from "uuid";
import { findManagedUser, listManaged, releaseManaged } from "../../db/declared-repository.ts";
import { findSoleAdminships } from "../../db/member-repository.ts";
import { revokeSessionsOf } from "../../db/session-repository.ts";
import {
  deleteUser,
  findUserByName,
  insertUser,
  updateUser,
  type User,
} from "../../db/user-repository.ts";
import { ConflictError } from "../../errors.ts";
import type { DeclaredUser } from "../declared.ts";
import { difference, record, type Applying } from "./applying.ts";

/** Makes the users what the file declares. One that is there by its name is taken over; another name for the same address is a new name. */
export async function applyUsers(applying: Applying): Promise<void> {
  for (const user of applying.declared.users) {
    const found = await findOwn(applying, user);
    const id = found?.id ?? uuidv7();
    applying.userIds.set(user.username, id);
    if (found === undefined) await create(applying, id, user);
    else await change(applying, found, user);
  }
}

async function findOwn(
  { db, declared }: Applying,
  { username, email }: DeclaredUser,
): Promise<User | undefined> {
  const named = await findUserByName(db, username);
  if (named !== undefined) return named;
  const other = await findManagedUser(db, email.toLowerCase());
  const isDeclared = declared.users.some((user) => user.username === other?.username);
  return isDeclared ? undefined : other;
}

function columnsOf({ secrets }: Applying, user: DeclaredUser) {
  const file = user.password_file;
  const hash = file === undefined ? user.password_hash : secrets.passwordHashes.get(file);
  return {
    username: user.username,
    name: user.name,
    email: user.email.toLowerCase(),
    email_verified: user.email_verified ? 1 : 0,
    superuser: user.superuser ? 1 : 0,
    active: user.active ? 1 : 0,
    managed: 1,
    ...(hash === undefined ? {} : { password_hash: hash }),
  } as const;
}

async function create(applying: Applying, id: string, user: DeclaredUser): Promise<void> {
  const row = {
    password_hash: null,
    ...columnsOf(applying, user),
    id,
    created_at: applying.now,
    last_login_at: null,
  };
  if (!(await insertUser(applying.db, row))) throw taken(user);
  record(applying, "created", "user", user.username);
}

async function change(applying: Applying, found: User, user: DeclaredUser): Promise<void> {
  const changed = difference(found, columnsOf(applying, user));
  if (changed === null) return;
  if ((await updateUser(applying.db, found.id, changed)) !== null) throw taken(user);
  // As after every other change of a password.
  if (changed.password_hash !== undefined) {
    await revokeSessionsOf(applying.db, found.id, applying.now);
  }
  record(applying, "changed", "user", user.username);
}

function taken({ username, email }: DeclaredUser): ConflictError {
  return new ConflictError(
    `user "${username}" cannot be made: another account has the e-mail address ${email}; change one of them`,
    { code: "already_exists" },
  );
}

/**
 * Users that left the file. One that is the only Admin of something that the file does not declare is kept out and stays: nobody could
 * manage that any more.
 */
export async function applyLeftUsers(applying: Applying): Promise<void> {
  const { db, declared, removesLeft, now } = applying;
  const kept = new Set(declared.users.map(({ username }) => username));
  for (const { id, name } of await listManaged(db, "users")) {
    if (kept.has(name)) continue;
    if (!removesLeft) {
      await releaseManaged(db, "users", id);
      record(applying, "released", "user", name);
    } else if ((await soleAdminships(applying, id)).length > 0) {
      await updateUser(db, id, { managed: 0, active: 0 });
      await revokeSessionsOf(db, id, now);
      record(applying, "deactivated", "user", name);
    } else {
      await deleteUser(db, id);
      record(applying, "removed", "user", name);
    }
  }
}

/** Of what the file does not declare: it says itself who manages what it declares. */
async function soleAdminships({ db, declared }: Applying, id: string) {
  const declares = (kind: "organization" | "cache", name: string) =>
    (kind === "cache" ? declared.caches : declared.organizations).some(
      (each) => each.name === name,
    );
  const sole = await findSoleAdminships(db, id);
  return sole.filter(({ kind, name }) => !declares(kind, name));
}
