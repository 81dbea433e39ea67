import type { Insertable, Selectable } from "kysely";
import type { Queries } from "./client.ts";
import type { DeviceLoginsTable } from "./account-tables.ts";

export type DeviceLogin = Selectable<DeviceLoginsTable>;

/** Both codes as SHA-256 in hexadecimal digits: neither can be read back. */
export async function insertDeviceLogin(
  db: Queries,
  login: Insertable<DeviceLoginsTable>,
): Promise<void> {
  await db.insertInto("device_logins").values(login).execute();
}

/** By either code, also one that has expired or was decided. */
export function findDeviceLogin(
  db: Queries,
  column: "device_code_hash" | "user_code_hash",
  hash: string,
): Promise<DeviceLogin | undefined> {
  return db.selectFrom("device_logins").selectAll().where(column, "=", hash).executeTakeFirst();
}

/** Whoever decides has looked whether it still waits, in the same transaction. */
export async function decideDeviceLogin(
  db: Queries,
  userCodeHash: string,
  decision: { state: "authorized" | "denied"; user_id: string },
): Promise<void> {
  await db
    .updateTable("device_logins")
    .set(decision)
    .where("user_code_hash", "=", userCodeHash)
    .execute();
}

/** Removes an authorized login. False when somebody else has done so: its token is handed out once. */
export async function takeDeviceLogin(db: Queries, deviceCodeHash: string): Promise<boolean> {
  const taken = await db
    .deleteFrom("device_logins")
    .where("device_code_hash", "=", deviceCodeHash)
    .where("state", "=", "authorized")
    .returning("device_code_hash")
    .executeTakeFirst();
  return taken !== undefined;
}

/** Those whose time was over before that, milliseconds since the epoch, decided or not. */
export async function deleteExpiredDeviceLogins(db: Queries, before: number): Promise<void> {
  await db.deleteFrom("device_logins").where("expires_at", "<", before).execute();
}
