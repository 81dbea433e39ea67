import type { ApiKey } from "./api-key-repository.ts";
import type { Database, PreparedQuery } from "./client.ts";
import type { Session } from "./session-repository.ts";
import type { User } from "./user-repository.ts";

/** Who is asking: read for every request, so by prepared statements. They see what is committed. */
export interface CredentialReads {
  /** The session when it is neither revoked nor expired. */
  session(id: string, now: number): Session | undefined;
  /** The key with this hash when it is neither revoked nor expired. */
  apiKey(secretHash: string, now: number): ApiKey | undefined;
  user(id: string): User | undefined;
}

/** Prepared once for a database. `now` is milliseconds since the epoch. */
export function prepareCredentialReads(database: Pick<Database, "prepare">): CredentialReads {
  const session: PreparedQuery<[string, number], Session> = database.prepare(
    "select * from sessions where id = ? and revoked_at is null and expires_at > ?",
  );
  const apiKey: PreparedQuery<[string, number], ApiKey> = database.prepare(
    "select * from api_keys where secret_hash = ? and revoked_at is null and (expires_at is null or expires_at > ?)",
  );
  const user: PreparedQuery<[string], User> = database.prepare("select * from users where id = ?");
  return {
    session: (id, now) => session.get(id, now),
    apiKey: (secretHash, now) => apiKey.get(secretHash, now),
    user: (id) => user.get(id),
  };
}
