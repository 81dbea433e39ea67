import Sqlite from "better-sqlite3";

export interface SealedSecret {
  readonly kind: "cache" | "organization" | "secret" | "access token" | "upstream";
  readonly id: string;
  readonly sealed: string;
}

export interface InspectedWorker {
  readonly worker: string;
  readonly name: string;
  readonly lastSeenAt: number | null;
  readonly pendingKey: string | null;
}

/** Looks at a farm's database without changing it, also at one that another release wrote. */
export class FarmInspection implements Disposable {
  readonly #connection: Sqlite.Database;

  /** Throws when the file is no database, or cannot be read. */
  constructor(file: string) {
    this.#connection = new Sqlite(file, { readonly: true, fileMustExist: true, timeout: 5000 });
  }

  /** What SQLite finds wrong; empty when it is whole. */
  findDamage(): string[] {
    return this.#all<{ quick_check: string }>("pragma quick_check(20)")
      .map((row) => row.quick_check)
      .filter((text) => text !== "ok");
  }

  migrations(): string[] {
    return this.#all<{ name: string }>("select name from kysely_migration order by name").map(
      ({ name }) => name,
    );
  }

  sealedSecrets(): SealedSecret[] {
    return this.#all<SealedSecret>(`
      select 'cache' as kind, cache_id as id, private_key as sealed from cache_keys where private_key is not null
      union all select 'organization', id, ssh_private_key from organizations
      union all select 'secret', id, secret from integrations where secret is not null
      union all select 'access token', id, access_token from integrations where access_token is not null
      union all select 'upstream', id, sealed_api_key from cache_upstreams where sealed_api_key is not null
    `);
  }

  workers(): InspectedWorker[] {
    return this.#all<InspectedWorker>(`
      select r.worker_id as worker, min(r.display_name) as name, w.last_seen_at as "lastSeenAt",
        w.pending_public_key as "pendingKey"
      from worker_registrations r left join workers w on w.id = r.worker_id
      where r.active = 1 group by r.worker_id order by r.worker_id
    `);
  }

  /** Milliseconds since the epoch of the newest thing that was noted; 0 in an empty farm. */
  newestTime(): number {
    const [row] = this.#all<{ at: number }>(`
      select max(
        coalesce((select max(last_seen_at) from workers), 0),
        coalesce((select max(created_at) from attempts where number = (select max(number) from attempts)), 0),
        coalesce((select max(created_at) from users), 0)) as at
    `);
    return row?.at ?? 0;
  }

  #all<T>(sql: string): T[] {
    return this.#connection.prepare<[], T>(sql).all();
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
